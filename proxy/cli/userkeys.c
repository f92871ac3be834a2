/*
 * userkeys - asks the rules for each From domain; see userkeys.h.
 */
#include "proxy/cli/userkeys.h"

#include "proxy/keys/keynote.h"

static void
add(const struct cli_data *data, const struct decide_signature *sig,
    struct userkeys *out)
{
    const struct keystore_key *key =
        keystore_find(data->store, sig->domain, sig->selector);

    for (size_t i = 0; i < out->count; i++) {
        if (out->keys[i] == key) {
            return;
        }
    }
    out->more = out->more || out->count == USERKEYS_MAX;
    if (key != NULL && out->count < USERKEYS_MAX) {
        out->keys[out->count++] = key;
    }
}

/* An address that this part of her `from` covers; false: many domains. */
static bool
author_of(const struct view_from *from, struct dkim_author *author_out)
{
    const char *local = from->kind == VIEW_FROM_ADDRESS ? from->local : "a";

    return (from->kind == VIEW_FROM_DOMAIN ||
            from->kind == VIEW_FROM_ADDRESS) &&
           bytes_copy(bytes_str(local), author_out->local,
                      sizeof(author_out->local)) &&
           bytes_copy(bytes_str(from->domain), author_out->domain,
                      sizeof(author_out->domain));
}

void
userkeys_find(const struct cli *c, const struct cli_data *data,
              const struct view_user *user, struct userkeys *out)
{
    const struct view_user *known =
        view_user(data->view, bytes_str(user->name));
    struct view_user unlocked = known == NULL ? *user : *known;
    struct dkim_author author;
    struct decide_question q = { data->view, &c->conf->sign, &unlocked, &author,
                                 CONF_SIGN_DUAL };

    *out = (struct userkeys){ .count = 0 };
    unlocked.locked = false;
    for (size_t i = 0; i < user->from_count; i++) {
        struct decision d = { .count = 0 };

        if (author_of(&user->from[i], &author)) {
            decide(&q, &d);
        }
        for (size_t n = 0; n < d.count; n++) {
            add(data, &d.signatures[n], out);
        }
    }
}

const char *
userkeys_dns(const struct keystore_key *key)
{
    if (key->life.fault != KEY_FAULT_NONE) {
        return keynote_fault_name(key->life.fault);
    }
    return key->view.proved_s == 0 ? "unproved" : "ok";
}

const char *
userkeys_worst(const struct userkeys *keys)
{
    const char *worst = keys->count == 0 ? "-" : "ok";

    for (size_t i = 0; i < keys->count; i++) {
        if (keys->keys[i]->life.fault != KEY_FAULT_NONE) {
            return userkeys_dns(keys->keys[i]);
        }
        if (keys->keys[i]->view.proved_s == 0) {
            worst = "unproved";
        }
    }
    return worst;
}
