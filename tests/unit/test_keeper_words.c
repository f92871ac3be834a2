/*
 * test_keeper_words - what was seen of keys, against what their notes say.
 */
#include "tests/support/cmocka.h"

#include <proxy/keeper/faults.h>
#include <stdio.h>

enum {
    NOW_S = 1000
};

/* The view with one key: f1._domainkey.example.com. */
static struct view *
make_view(bool faulty, uint64_t proved_s, uint8_t hash)
{
    struct view_key key = { .domain = "example.com",
                            .selector = "f1",
                            .state = VIEW_KEY_ACTIVE,
                            .owner = "",
                            .faulty = faulty,
                            .proved_s = proved_s };
    struct view_builder *b = view_builder_new();

    memset(key.public_hash, hash, sizeof(key.public_hash));
    assert_non_null(b);
    assert_true(view_builder_key(b, &key));
    return view_build(&b, 1);
}

static const struct view_key *
key_in(const struct view *view)
{
    return view_key(view, "example.com", "f1");
}

enum word {
    NONE = -1, /* not said */
    GOOD = KEEPER_SEEN_GOOD,
    GONE = KEEPER_SEEN_GONE,
    DIFFERS = KEEPER_SEEN_DIFFERS,
    REFUSED = KEEPER_SEEN_REFUSED
};

/* Two words are said at NOW_S; is the key faulty then, and was it news? */
static void
words(void **state)
{
    static const struct {
        const char *name;
        bool note;
        enum word first, second;
        bool want, news; /* of the last word */
    } cases[] = {
        { "nothing", false, NONE, NONE, false, false },
        { "the note", true, NONE, NONE, true, false },
        { "good as the note", false, GOOD, NONE, false, false },
        { "gone", false, GONE, NONE, true, true },
        { "gone as the note", true, GONE, NONE, true, false },
        { "good does not outdo the note", true, GOOD, NONE, true, false },
        { "gone again", false, GONE, GONE, true, false },
        { "gone, then another", false, GONE, DIFFERS, true, false },
        { "gone and back", false, GONE, GOOD, false, true },
        { "back and gone", false, GOOD, DIFFERS, true, true },
        { "refused", false, REFUSED, NONE, true, true },
        { "refused whatever DNS says", false, REFUSED, GOOD, true, false },
        { "gone, then refused", false, GONE, REFUSED, true, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct view *view = make_view(cases[i].note, 0, 1);
        const enum word said[] = { cases[i].first, cases[i].second };
        struct faults *f = faults_new();
        struct faults *copy;
        bool news = false, refused = false;

        assert_non_null(f);
        for (size_t n = 0; n < 2 && said[n] != NONE; n++) {
            news =
                faults_note(f, key_in(view), (enum keeper_seen)said[n], NOW_S);
            refused = refused || said[n] == REFUSED;
        }
        copy = faults_copy(f);
        assert_non_null(copy);
        if (faults_judge(copy, key_in(view)) != cases[i].want ||
            news != cases[i].news ||
            faults_refused(f, "example.com", "f1") != refused) {
            fail_msg("%s", cases[i].name);
        }
        assert_int_equal(faults_count(copy), faults_count(f));
        faults_free(&copy);
        faults_free(&f);
        view_free(&view);
    }
}

/* A word at NOW_S, then the notes are loaded anew. */
static void
reloads(void **state)
{
    static const struct {
        const char *name;
        enum word word;
        bool faulty; /* the new note */
        uint64_t proved_s;
        uint8_t hash;
        size_t left;
        bool want;
    } cases[] = {
        { "gone holds", GONE, false, 0, 1, 1, true },
        { "differs holds", DIFFERS, false, NOW_S, 1, 1, true },
        { "proved since", GONE, false, NOW_S + 1, 1, 0, false },
        { "another key", GONE, false, 0, 2, 0, false },
        { "another, faulty key", GONE, true, 0, 2, 0, true },
        { "gone, and the note knows", GONE, true, 0, 1, 1, true },
        { "refused is forgotten", REFUSED, false, 0, 1, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct view *old = make_view(false, 0, 1);
        struct view *view =
            make_view(cases[i].faulty, cases[i].proved_s, cases[i].hash);
        struct faults *f = faults_new();

        (void)faults_note(f, key_in(old), (enum keeper_seen)cases[i].word,
                          NOW_S);
        assert_int_equal(faults_count(f), 1);
        faults_reloaded(f, view);
        if (faults_count(f) != cases[i].left ||
            faults_judge(f, key_in(view)) != cases[i].want) {
            fail_msg("%s", cases[i].name);
        }
        faults_free(&f);
        view_free(&old);
        view_free(&view);
    }
}

/* The name alone is not the key: a word about the old one says nothing. */
static void
another_key(void **state)
{
    struct view *old = make_view(false, 0, 1);
    struct view *view = make_view(false, 0, 2);
    struct faults *f = faults_new();

    (void)state;
    assert_true(faults_note(f, key_in(old), KEEPER_SEEN_GONE, NOW_S));
    assert_false(faults_judge(f, key_in(view)));
    assert_true(faults_note(f, key_in(view), KEEPER_SEEN_GONE, NOW_S));
    assert_true(faults_judge(f, key_in(view)));
    assert_false(faults_refused(f, "example.com", "f2"));
    faults_free(&f);
    faults_free(&f);
    view_free(&old);
    view_free(&view);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(reloads),
        cmocka_unit_test(another_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
