/*
 * views - see views.h.
 */
#include <fcntl.h>
#include <proxy/keeper/views.h>
#include <proxy/log/log.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VIEW_OCTETS_MAX = 1 << 30,
    ENTRIES_A_TURN = 1000 /* users and keys: some 0.3 ms */
};

struct map {
    void *at; /* NULL: none */
    size_t len;
};

struct views {
    views_callback *cb;
    void *arg;
    struct event *turn;
    struct view *current; /* owned; NULL until the first */
    uint64_t epoch;       /* of the newest that came; 0: none */
    struct map map;       /* what is unpacked */
    struct view_unpacker *unpacker;
    struct map next; /* the newest that came meanwhile */
};

/* Sealed, so that a map of it cannot change or shrink under our feet. */
static bool
sealed(int fd, size_t *len_out)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int have = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (have < 0 || (have & seals) != seals || fstat(fd, &st) != 0 ||
        st.st_size <= 0 || st.st_size > VIEW_OCTETS_MAX) {
        return false;
    }
    *len_out = (size_t)st.st_size;
    return true;
}

/* at NULL: not a sealed memfd, or no memory. */
static struct map
map_fd(int fd)
{
    struct map map = { NULL, 0 };

    if (fd >= 0 && sealed(fd, &map.len)) {
        map.at = mmap(NULL, map.len, PROT_READ, MAP_PRIVATE, fd, 0);
        map.at = map.at == MAP_FAILED ? NULL : map.at;
    }
    return map;
}

static void
unmap(struct map *map)
{
    if (map->at != NULL) {
        (void)munmap(map->at, map->len);
        map->at = NULL;
    }
}

static void
log_unreadable(void)
{
    log_event(LOG_LEVEL_ERROR, "view",
              "the keeper's view of users and keys can't be read; the last "
              "one is kept; restart sealpostd");
}

static void
stop(struct views *v)
{
    (void)event_del(v->turn);
    view_unpacker_free(&v->unpacker);
    unmap(&v->map);
}

static void
replace(struct views *v, struct view *view)
{
    struct view *old = v->current;

    v->current = view;
    v->cb(view, v->arg);
    view_free(&old);
}

/* A piece of what is unpacked. */
static void
go_on(struct views *v)
{
    /* 0 would come before what sockets have. */
    static const struct timeval next_turn = { 0, 1 };
    enum view_unpack_result result = VIEW_UNPACK_FAILED;
    struct view *view = NULL;

    if (v->unpacker != NULL) {
        result = view_unpacker_step(v->unpacker, ENTRIES_A_TURN, &view);
    }
    if (result == VIEW_UNPACK_MORE && event_add(v->turn, &next_turn) == 0) {
        return;
    }
    stop(v);
    if (view != NULL) {
        replace(v, view);
    } else {
        log_unreadable();
    }
}

static void
begin(struct views *v, struct map map)
{
    v->map = map;
    v->unpacker = view_unpacker_new(bytes_make(map.at, map.len));
    go_on(v);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct views *v = arg;
    struct map next;

    (void)fd;
    (void)what;
    go_on(v);
    if (v->map.at == NULL && v->next.at != NULL) {
        next = v->next;
        v->next.at = NULL; /* begin() owns it */
        begin(v, next);
    }
}

void
views_take(struct views *v, uint64_t epoch, int fd)
{
    struct map map;

    if (epoch <= v->epoch) {
        return; /* asked for and pushed at once: the second is no news */
    }
    map = map_fd(fd);
    if (map.at == NULL) {
        log_unreadable();
        return;
    }
    v->epoch = epoch;
    if (v->map.at == NULL) {
        begin(v, map);
        return;
    }
    unmap(&v->next);
    v->next = map;
}

void
views_forget(struct views *v)
{
    stop(v);
    unmap(&v->next);
    v->epoch = 0;
}

const struct view *
views_current(const struct views *v)
{
    return v->current;
}

struct views *
views_new(struct event_base *base, views_callback *cb, void *arg)
{
    struct views *v = calloc(1, sizeof(*v));

    if (v == NULL) {
        return NULL;
    }
    v->cb = cb;
    v->arg = arg;
    v->turn = evtimer_new(base, on_turn, v);
    if (v->turn == NULL) {
        free(v);
        return NULL;
    }
    return v;
}

void
views_free(struct views **vp)
{
    struct views *v = *vp;

    *vp = NULL;
    if (v != NULL) {
        views_forget(v);
        event_free(v->turn);
        view_free(&v->current);
        free(v);
    }
}
