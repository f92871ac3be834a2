/*
 * played_keeper - a worker's client, and a keeper that we play.
 *
 * Both stand from set_up() to tear_down(), for each test anew. The test says
 * what the keeper does, at its end of the line, and lets the client move by
 * turn().
 */
#ifndef TESTS_SUPPORT_PLAYED_KEEPER_H
#define TESTS_SUPPORT_PLAYED_KEEPER_H

#include <fcntl.h>
#include <proxy/keeper/client.h>
#include <proxy/keeper/protocol.h>

extern struct event_base *base;
extern struct keeper_client *client;
extern int keeper;           /* our end */
extern unsigned views, gone; /* how often on_view() was told so */
extern uint64_t epoch_seen;

/* What on_reply() was told. */
struct result {
    unsigned calls;
    enum keeper_status status;
    struct keeper_handle handle;
    char text[KEEPER_TEXT_MAX + 1];
};

/* For cmocka. */
int set_up(void **state);
int tear_down(void **state);

/* The client's callbacks; of on_reply() arg is a struct result. */
void on_view(const struct view *view, void *arg);
void on_reply(const struct keeper_reply *reply, void *arg);

/* Another line: keeper is our end of it, the client's is returned. */
int pair(void);
/* What is there is done. */
void turn(void);

/* The next request; false: none is there. */
bool next(struct keeper_ask *ask_out);
/* The next request, of this kind. */
void expect(enum keeper_op op, struct keeper_ask *ask_out);

void say(const struct keeper_answer *answer);
void say_octets(const void *octets, size_t len);

enum {
    SEALED = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
};

/* A view of an epoch with so many users; seals as given. contents, unless
 * NULL, stand in its place. */
void say_view_of(uint64_t epoch, unsigned users, int seals,
                 const char *contents);
void say_view(uint64_t epoch, int seals, const char *contents);

#endif
