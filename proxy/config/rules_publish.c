/*
 * rules_publish - what belongs together in [rotate] and [publish].
 *
 * [rotate] zone may be missing: it is for delegated domains only, and who
 * adds one is told.
 */
#include "reader.h"
#include "sections.h"

enum {
    DAY_S = 86400,
    EXPIRE_MORE_S = 7 * DAY_S /* a key retires so long behind x=, at least */
};

static void
rule_way(const struct conf *conf, const struct conf_section *rotate,
         struct conf_errors *errors)
{
    const struct publish_conf *p = &conf->publish;
    const struct conf_section *s = conf_section_of(conf, p);

    if (conf->rotate.publish == CONF_PUBLISH_RFC2136 && p->server.count == 0 &&
        conf_is_sound(s, "server")) {
        conf_error(errors, AT(rotate, "publish"),
                   "publish = rfc2136 needs [publish] server; server = "
                   "HOST:PORT of the zone's primary server");
    }
    if (conf->rotate.publish == CONF_PUBLISH_RFC2136 && p->server.count > 0 &&
        p->tsig_key_file[0] == '\0' && conf_is_sound(s, "tsig_key_file")) {
        conf_warning(errors, AT(s, "server"),
                     "updates without tsig_key_file are not signed: the "
                     "server can only go by our address; tsig_key_file = "
                     "FILE of tsig-keygen");
    }
    if (conf->rotate.publish == CONF_PUBLISH_ZONEFILE && p->file[0] == '\0' &&
        conf_is_sound(s, "file")) {
        conf_error(errors, AT(rotate, "publish"),
                   "publish = zonefile needs [publish] file; file = PATH that "
                   "the zone includes");
    }
    if (conf->rotate.publish == CONF_PUBLISH_EXEC && p->program[0] == '\0' &&
        conf_is_sound(s, "program")) {
        conf_error(errors, AT(rotate, "publish"),
                   "publish = exec needs [publish] program; program = PATH of "
                   "yours");
    }
}

static void
rule_times(const struct conf *conf, const struct conf_section *rotate,
           struct conf_errors *errors)
{
    const struct rotate_conf *r = &conf->rotate;
    unsigned least_s = conf->sign.expire_s + EXPIRE_MORE_S;
    unsigned retire_s = r->retire_s > least_s ? r->retire_s : least_s;

    if (r->present && r->retire_s < least_s) {
        conf_warning(errors, AT(rotate, "retire"),
                     "retire = %u s is shorter than signatures are good for, "
                     "[sign] expire, and 7 d: it is %u s",
                     r->retire_s, least_s);
    }
    /* else a slot would be needed again before it is free */
    if (r->present && r->every_s <= retire_s + r->revoked_s &&
        conf_is_sound(rotate, "every retire revoked")) {
        conf_error(errors, AT(rotate, "every"),
                   "every is not longer than retire and revoked together; "
                   "every = %ud or more",
                   (retire_s + r->revoked_s) / DAY_S + 1);
    }
}

static bool
is_at_or_below(const char *name, const char *zone)
{
    struct bytes n = bytes_str(name), z = bytes_str(zone);

    return bytes_ends_ci(n, z) &&
           (n.len == z.len || n.ptr[n.len - z.len - 1] == '.');
}

void
conf_rules_publish(const struct conf *conf, struct conf_errors *errors)
{
    const struct conf_section *rotate = conf_section_of(conf, &conf->rotate);
    const struct conf_section *s = conf_section_of(conf, &conf->publish);
    const char *zone = conf->publish.zone;

    rule_way(conf, rotate, errors);
    rule_times(conf, rotate, errors);
    if (conf->publish.present && !conf_is_set(rotate, "publish") &&
        conf_is_sound(rotate, "publish")) {
        conf_warning(errors, s->at.file, s->at.line,
                     "[publish] does nothing without [rotate] publish; "
                     "publish = rfc2136, zonefile or exec");
    }
    if (zone[0] != '\0' && !is_at_or_below(conf->rotate.zone, zone) &&
        conf_is_sound(rotate, "zone")) {
        conf_error(errors, AT(s, "zone"),
                   "[rotate] zone is not in zone = %s; the zone of the server "
                   "that the names of [rotate] zone stand in",
                   zone);
    }
}
