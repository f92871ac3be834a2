/*
 * publish_once - publish() from the command line, for integration tests.
 *
 *   publish_once CONF [--no-back-off] <<END
 *   NAME TEXT          a record that has changed; without TEXT: none
 *   =NAME TEXT         one that stands like this already
 *   END
 *
 * Exit 0, or 1 and the reason on stderr.
 */
#include "proxy/publish/publish.h"

#include <stdlib.h>

enum {
    RECORDS_MAX = 256
};

static size_t
read_records(struct publish_record *records)
{
    size_t count = 0;
    char line[8192];

    while (count < RECORDS_MAX && fgets(line, sizeof(line), stdin) != NULL) {
        char *kept = malloc(strlen(line) + 1);
        char *text;

        if (kept == NULL) {
            exit(2);
        }
        memcpy(kept, line, strlen(line) + 1);
        kept[strcspn(kept, "\n")] = '\0';
        text = kept + strcspn(kept, " ");
        if (*text == ' ') {
            *text++ = '\0';
        }
        records[count++] =
            (struct publish_record){ kept[0] == '=' ? kept + 1 : kept, text,
                                     kept[0] != '=' };
    }
    return count;
}

int
main(int argc, char **argv)
{
    static struct publish_record records[RECORDS_MAX];
    struct buf why = BUF_INIT;
    struct conf_errors *errors;
    struct publisher p = { 0 };
    struct conf *conf;
    size_t count;
    bool good;

    conf_load(argc > 1 ? argv[1] : "", &conf, &errors);
    if (conf == NULL) {
        fprintf(stderr, "%s\n", conf_errors_line(errors, 0));
        return 2;
    }
    conf_errors_free(&errors);
    p.rotate = &conf->rotate;
    p.publish = &conf->publish;
    p.state_dir = argc > 2 ? NULL : conf->server.state_dir;
    count = read_records(records);
    good = publish(&p, records, count, &why);
    if (!good) {
        fprintf(stderr, "%s\n", buf_str(&why));
    }
    buf_free(&why);
    conf_free(&conf);
    return good ? 0 : 1;
}
