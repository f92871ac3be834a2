/*
 * replay - runs a fuzz target over its corpus, where libFuzzer is not linked.
 *
 * tests/fuzz/fuzz_NAME reads every file of tests/fuzz/corpus/NAME (below
 * $srcdir) and, so that splits and cuts are seen too, each file's prefixes at
 * a few lengths. A crash or a sanitizer's finding is the failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(const uint8_t *data, size_t size)
{
    /* A copy of its exact size: an over-read is seen by the sanitizer. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    if (copy == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int
run_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rbe");
    size_t size;

    if (f == NULL) {
        fprintf(stderr, "replay: cannot open %s\n", path);
        return 1;
    }
    size = fread(data, 1, sizeof(data), f);
    fclose(f);
    run(data, size);
    run(data, size / 2);
    run(data, size > 0 ? size - 1 : 0);
    return 0;
}

int
main(int argc, char **argv)
{
    const char *srcdir = getenv("srcdir");
    const char *name = strrchr(argv[0], '/');
    char dir[4096], path[8192];
    struct dirent *entry;
    unsigned files = 0;
    DIR *d;

    for (int i = 1; i < argc; i++) {
        if (run_file(argv[i]) != 0) {
            return 1;
        }
    }
    if (argc > 1) {
        return 0;
    }
    name = name == NULL ? argv[0] : name + 1;
    name = strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
    snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s",
             srcdir == NULL ? "." : srcdir, name);
    d = opendir(dir);
    if (d == NULL) {
        fprintf(stderr, "replay: no corpus in %s\n", dir);
        return 1;
    }
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (run_file(path) != 0) {
            return 1;
        }
        files++;
    }
    closedir(d);
    printf("%s: %u files replayed\n", name, files);
    return files == 0;
}
