/*
 * test_session_search - every sequence of steps that a client, an upstream,
 * time, a disconnection and a reload can take: up to five of a narrow
 * alphabet, two of a wide one, on each listener.
 *
 * Breadth first from a client that has been greeted. Each sequence is played
 * from the beginning and to its end: whatever is owed must be answered and
 * whatever is held given back (world_release(), world_close()). One whose
 * state was reached before, by a sequence that is not longer, is not gone on
 * from; world_describe() says what a state is.
 *
 * SEALPOST_LONG=1: up to eight and four. SEALPOST_DEPTH=N: all up to N.
 * SEALPOST_VERBOSE=1 names each sequence before it is played.
 */
#include "tests/support/cmocka.h"
#include "tests/support/world_describe.h"

#include <stdlib.h>

enum {
    NARROW_DEPTH = 5,
    NARROW_DEPTH_LONG = 8,
    WIDE_DEPTH = 2,
    WIDE_DEPTH_LONG = 4,
    DEPTH_MAX = 12,
    WORDS_MAX = 10
};

/* --- the alphabet --------------------------------------------------------- */

/* What a client says, on one kind of listener, and what others do. */
struct letters {
    const char *name;
    enum world_listener listener;
    bool narrow; /* content is said where content is due, and only there */
    const char *others;
    struct {
        char letter;
        const char *words;
    } say[WORDS_MAX];
};

/* 4: the upstream's next answer is 450; 7: is 421, and it closes; x: it closes;
 * u: it says 250 out of turn; h: it reads and says nothing, or again.
 * k: keeper and DNS are silent, or again; g: the keeper is another one.
 * t: time, the next timer. d: the client disconnects, or is back; e: it sends
 * no more. r: a reload that locks alice, or lets her. */
static const char wide[] = "47xuhktderg";
static const char narrow[] = "4xtdr";

#define CONTENT_OF(who)     "From: " who "\r\n\r\nb\r\n"
#define PIPELINED(from, to) "MAIL FROM:<" from ">\r\nRCPT TO:<" to ">\r\n"
#define ALICE               "alice@example.com"
#define FRIEND              "friend@friend.example"
#define BOB                 "bob@example.net"

static const struct letters alphabets[] = {
    { "trusted",
      WORLD_TRUSTED,
      false,
      wide,
      { { 'M', "MAIL FROM:<" ALICE ">\r\n" },
        { 'R', "RCPT TO:<" BOB ">\r\n" },
        { 'D', "DATA\r\n" },
        { 'T', CONTENT_OF(ALICE) },
        { '.', ".\r\n" },
        { 'B', "BDAT 24\r\nFrom: alice@example.com\r" },
        { 'L', "BDAT 6 LAST\r\n\n\r\nb\r\n" },
        { 'Z', "RSET\r\n" } } },
    { "inbound",
      WORLD_INBOUND,
      false,
      wide,
      { { 'M', "MAIL FROM:<" FRIEND ">\r\n" },
        { 'R', "RCPT TO:<" ALICE ">\r\n" },
        { 'D', "DATA\r\n" },
        { 'T', CONTENT_OF(FRIEND) },
        { '.', ".\r\n" },
        { 'B', "BDAT 28\r\nFrom: friend@friend.example\r" },
        { 'L', "BDAT 6 LAST\r\n\n\r\nb\r\n" },
        { 'Z', "RSET\r\n" } } },
    { "submission",
      WORLD_SUBMISSION,
      false,
      wide,
      { { 'A', "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n" },
        { 'W', "AUTH PLAIN AGFsaWNlAHdyb25n\r\n" },
        { 'P', "AUTH PLAIN\r\n" },
        { 'I', "AGFsaWNlAHNlY3JldA==\r\n" },
        { 'M', PIPELINED(ALICE, BOB) },
        { 'D', "DATA\r\n" },
        { 'T', CONTENT_OF(ALICE) },
        { '.', ".\r\n" },
        { 'Z', "RSET\r\n" } } },
    { "trusted",
      WORLD_TRUSTED,
      true,
      narrow,
      { { 'M', PIPELINED(ALICE, BOB) },
        { 'D', "DATA\r\n" },
        { 'T', CONTENT_OF(ALICE) },
        { '.', ".\r\n" },
        { 'B', "BDAT 24\r\nFrom: alice@example.com\r" },
        { 'L', "BDAT 6 LAST\r\n\n\r\nb\r\n" } } },
    { "inbound",
      WORLD_INBOUND,
      true,
      narrow,
      { { 'M', PIPELINED(FRIEND, ALICE) },
        { 'D', "DATA\r\n" },
        { 'T', CONTENT_OF(FRIEND) },
        { '.', ".\r\n" } } },
    { "submission",
      WORLD_SUBMISSION,
      true,
      narrow,
      { { 'A', "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n" },
        { 'M', PIPELINED(ALICE, BOB) },
        { 'D', "DATA\r\n" },
        { 'T', CONTENT_OF(ALICE) },
        { '.', ".\r\n" } } },
};

static const char *
words_of(const struct letters *l, char letter)
{
    for (size_t i = 0; i < WORDS_MAX; i++) {
        if (l->say[i].letter == letter) {
            return l->say[i].words;
        }
    }
    return NULL;
}

/* --- one sequence --------------------------------------------------------- */

/* What the steps toggle. */
struct play {
    struct session_world w;
    const struct letters *letters;
    bool locked;
};

static void
begin(struct play *p)
{
    world_connect(&p->w, 0, p->letters->listener);
    world_say(&p->w, 0, BYTES_LIT("EHLO client.example\r\n"));
    world_settle(&p->w);
}

static void
disconnect(struct play *p)
{
    if (p->w.clients[0].fd < 0) {
        begin(p);
    } else {
        world_hang_up(&p->w, 0);
    }
}

static void
hold_inside(struct session_world *w)
{
    bool hold = !w->keeper_hold;

    world_keeper_release(w, hold);
    world_dns_release(w, hold);
}

static void
act(struct play *p, char letter)
{
    struct session_world *w = &p->w;

    switch (letter) {
    case '4':
        world_far_next(w, FAR_TEMP);
        break;
    case '7':
        world_far_next(w, FAR_421);
        break;
    case 'x':
        world_far_closes(w);
        break;
    case 'u':
        world_far_says(w, BYTES_LIT("250 2.0.0 out of turn\r\n"));
        break;
    case 'h':
        w->far_hold = !w->far_hold;
        break;
    case 'k':
        hold_inside(w);
        break;
    case 't':
        (void)world_next_timer(w);
        break;
    case 'd':
        disconnect(p);
        break;
    case 'e':
        world_end_input(w, 0);
        break;
    case 'r':
        p->locked = !p->locked;
        world_keeper_reload(w, p->locked);
        break;
    default:
        world_keeper_lose(w);
        break;
    }
}

static void
step(struct play *p, char letter)
{
    const char *words = words_of(p->letters, letter);

    if (words != NULL) {
        world_say(&p->w, 0, bytes_str(words));
    } else {
        act(p, letter);
    }
    world_settle(&p->w);
}

/* FNV-1a; 0 is for an empty place. */
static uint64_t
hash(struct bytes b)
{
    uint64_t h = 0xcbf29ce484222325U;

    for (size_t i = 0; i < b.len; i++) {
        h = (h ^ b.ptr[i]) * 0x100000001b3U;
    }
    return h == 0 ? 1 : h;
}

/* Where a sequence has led to. */
struct reached {
    uint64_t state;
    bool data; /* content is due from the client */
};

static struct reached
play(const struct letters *letters, const char *path, unsigned long *delivered)
{
    struct play p = { .letters = letters };
    struct buf text = BUF_INIT;
    struct reached r;

    world_open(&p.w, SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME, false);
    begin(&p);
    for (; *path != '\0'; path++) {
        step(&p, *path);
    }
    world_describe(&p.w, &text);
    buf_putc(&text, p.locked ? 'l' : 'f');
    r.state = hash(buf_bytes(&text));
    r.data = p.w.clients[0].mode == CLIENT_DATA;
    buf_free(&text);

    world_release(&p.w);
    *delivered += p.w.deliveries;
    world_close(&p.w);
    return r;
}

/* --- the search ----------------------------------------------------------- */

struct path {
    char letters[DEPTH_MAX + 1];
    bool data;
};

struct search {
    const struct letters *letters;
    uint64_t *seen; /* an open table of states */
    size_t places, count;
    struct path *paths; /* one a state, the shortest first */
    size_t paths_cap;
    unsigned long played, delivered;
};

static bool
put(uint64_t *table, size_t places, uint64_t state)
{
    size_t i = (size_t)(state % places);

    while (table[i] != 0 && table[i] != state) {
        i = (i + 1) % places;
    }
    if (table[i] == state) {
        return false;
    }
    table[i] = state;
    return true;
}

static void
grow(struct search *s)
{
    size_t places = s->places == 0 ? 4096 : s->places * 2;
    uint64_t *table = calloc(places, sizeof(*table));

    assert_non_null(table);
    for (size_t i = 0; i < s->places; i++) {
        if (s->seen[i] != 0) {
            (void)put(table, places, s->seen[i]);
        }
    }
    free(s->seen);
    s->seen = table;
    s->places = places;
    s->paths = realloc(s->paths, places / 2 * sizeof(*s->paths));
    assert_non_null(s->paths);
    s->paths_cap = places / 2;
}

static void
try(struct search *s, const char *path)
{
    struct reached r;

    if (getenv("SEALPOST_VERBOSE") != NULL) {
        fprintf(stderr, "%s %s\n", s->letters->name, path);
    }
    r = play(s->letters, path, &s->delivered);
    s->played++;
    if (s->count == s->paths_cap) {
        grow(s);
    }
    if (put(s->seen, s->places, r.state)) {
        struct path *p = &s->paths[s->count++];

        snprintf(p->letters, sizeof(p->letters), "%s", path);
        p->data = r.data;
    }
}

static bool
is_due(const struct letters *l, char letter, bool data)
{
    return !l->narrow || (letter == 'T' || letter == '.') == data;
}

/* path goes on with each letter. */
static void
go_on(struct search *s, const struct path *path)
{
    size_t n = strlen(path->letters);
    struct path longer = *path;
    const struct letters *l = s->letters;

    for (size_t i = 0; i < WORDS_MAX && l->say[i].words != NULL; i++) {
        longer.letters[n] = l->say[i].letter;
        longer.letters[n + 1] = '\0';
        if (is_due(l, l->say[i].letter, path->data)) {
            try(s, longer.letters);
        }
    }
    for (const char *other = l->others; *other != '\0'; other++) {
        longer.letters[n] = *other;
        longer.letters[n + 1] = '\0';
        try(s, longer.letters);
    }
}

static size_t
depth(const struct letters *l)
{
    const char *given = getenv("SEALPOST_DEPTH");
    bool all = getenv("SEALPOST_LONG") != NULL;
    size_t n = all ? WIDE_DEPTH_LONG : WIDE_DEPTH;

    if (l->narrow) {
        n = all ? NARROW_DEPTH_LONG : NARROW_DEPTH;
    }
    n = given == NULL ? n : (size_t)strtoul(given, NULL, 10);
    return n < DEPTH_MAX ? n : DEPTH_MAX;
}

static void
search(const struct letters *letters)
{
    struct search s = { .letters = letters };

    try(&s, "");
    for (size_t i = 0; i < s.count; i++) {
        struct path path = s.paths[i]; /* they may move */

        if (strlen(path.letters) >= depth(letters)) {
            break;
        }
        go_on(&s, &path);
    }
    print_message(
        "%s, %s: depth %zu, %lu sequences, %zu states, %lu messages\n",
        letters->name, letters->narrow ? "narrow" : "wide", depth(letters),
        s.played, s.count, s.delivered);
    assert_true(!letters->narrow || depth(letters) < NARROW_DEPTH ||
                s.delivered > 0);
    free(s.seen);
    free(s.paths);
}

static void
wide_alphabets(void **state)
{
    (void)state;
    search(&alphabets[0]);
    search(&alphabets[1]);
    search(&alphabets[2]);
}

static void
narrow_alphabets(void **state)
{
    (void)state;
    search(&alphabets[3]);
    search(&alphabets[4]);
    search(&alphabets[5]);
}

/* What differs is told apart, what is the same is not. */
static void
states_differ(void **state)
{
    static const char *const paths[] = { "",    "M",   "MR",   "MRD", "MRDT",
                                         "MRB", "MRh", "MRDx", "4",   "r" };
    enum {
        PATHS = sizeof(paths) / sizeof(paths[0])
    };
    uint64_t states[PATHS];
    unsigned long delivered = 0;

    (void)state;
    for (size_t i = 0; i < PATHS; i++) {
        states[i] = play(&alphabets[0], paths[i], &delivered).state;
        assert_true(play(&alphabets[0], paths[i], &delivered).state ==
                    states[i]);
        for (size_t k = 0; k < i; k++) {
            assert_true(states[k] != states[i]);
        }
    }
    assert_int_equal(delivered, 0);
    (void)play(&alphabets[0], "MRDT.", &delivered);
    (void)play(&alphabets[0], "MRBL", &delivered);
    (void)play(&alphabets[1], "MRDT.", &delivered);
    (void)play(&alphabets[1], "MRBL", &delivered);
    (void)play(&alphabets[2], "AMDT.", &delivered);
    (void)play(&alphabets[2], "PIMDT.", &delivered);
    assert_int_equal(delivered, 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_differ),
        cmocka_unit_test(wide_alphabets),
        cmocka_unit_test(narrow_alphabets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
