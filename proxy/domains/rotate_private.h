/*
 * rotate_private - what the parts of a run share.
 */
#ifndef PROXY_DOMAINS_ROTATE_PRIVATE_H
#define PROXY_DOMAINS_ROTATE_PRIVATE_H

#include <proxy/domains/rotate.h>

/* One track and everything about it that a run may change. */
struct rotate_track {
    struct plan_track plan;     /* its keys are plan_keys */
    struct domain_file *file;   /* NULL: the domain has none */
    struct domain_track *ring;  /* in file; NULL: none */
    struct keystore_key **keys; /* the run's copies, as they are on disk */
    struct plan_key *plan_keys;
    size_t cap;
    bool blocked; /* a slot's key cannot be read: left alone */
    bool chosen;  /* this run is about it */
    bool done;    /* nothing more in this run */
    bool failed;
    bool pending; /* `step` waits for the zone */
    enum plan_step step;
    size_t pending_key;
    struct keystore_key pending_after; /* texts are the run's */
};

struct rotate_facts {
    const struct rotate_world *world;
    struct keystore *store;
    struct domain_file **files; /* sorted by domain */
    size_t file_count;
    struct rotate_track *tracks; /* sorted by domain */
    size_t track_count;
    size_t track_cap;
    const char *odd;   /* a domain with a faulty note, its own or a key's; or
                          NULL */
    struct seen *seen; /* of the survey; owned */
    size_t seen_count;
    struct strings strings; /* of this run */
};

struct rotate_job {
    const struct rotate_world *world;
    const struct rotate_wish *wish;
    struct rotate_facts *facts;
    struct plan_rules rules;
    bool dead;
    bool failed;
    bool changed;   /* a key's note */
    bool published; /* the zone was brought up to date in this run */
};

/* Keys as the survey is to be asked; false: no memory. */
bool rotate_survey(struct rotate_job *job);

/* Brings the zone to what the notes and the pending steps say; false: told. */
bool rotate_publish(struct rotate_job *job, const char *forgotten);

/* Does something in the zone not stand as it should, or wait for it? */
bool rotate_zone_differs(const struct rotate_job *job);

/* Goes on with one track until it waits or needs the zone. */
void rotate_advance(struct rotate_job *job, struct rotate_track *track);
/* The zone has what was pending: write it down. */
void rotate_settle(struct rotate_job *job, struct rotate_track *track);
/* Writes one key's note, on disk and in memory; false: told. */
bool rotate_note(struct rotate_job *job, struct rotate_track *track, size_t key,
                 const struct keystore_key *after);

/* Removes a key for ever; false: it stays in the track (told, or dead). */
bool rotate_take_away(struct rotate_job *job, struct rotate_track *track,
                      size_t key);

bool rotate_may_go_on(struct rotate_job *job, const char *before);
/* plan NULL: no step, no time. */
void rotate_tell(const struct rotate_job *job, const struct rotate_track *track,
                 enum rotate_kind kind, const char *selector,
                 const struct plan *plan, const char *why);

/* In its place among the track's keys. False: no memory. */
bool rotate_track_add(struct rotate_facts *facts, struct rotate_track *track,
                      const struct keystore_key *key, bool ours);
void rotate_track_drop(struct rotate_track *track, size_t key);

#endif
