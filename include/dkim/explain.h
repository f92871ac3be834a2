/*
 * explain - why a DKIM signature passes or fails, in sentences.
 *
 * It judges nothing: the verdict is dkim/verify.h's. For a signature that
 * fails it tries what is known to happen on the way - a footer at the end,
 * other line ends, another canonicalization, a field that was added, a prefix
 * in the subject - and says which of these would make it right again.
 */
#ifndef DKIM_EXPLAIN_H
#define DKIM_EXPLAIN_H

#include <base/buf.h>
#include <base/bytes.h>

#include <dkim/dns.h>
#include <dkim/header.h>
#include <dkim/verify.h>

enum {
    DKIM_EXPLAIN_LINES_MAX = 200, /* lines that could be a footer */
    DKIM_EXPLAIN_OCTETS_MAX = 256 * 1024 * 1024 /* hashed for guesses */
};

/* All borrowed for the call. */
struct dkim_explain {
    const struct dkim_header *header;
    const struct dkim_field *field; /* the DKIM-Signature */
    struct bytes body;
    const struct dkim_verify_result *result;
    const struct dns_answer *key; /* NULL: the key was not asked for */
};

/*
 * The key's name, to be asked before dkim_explain(). False: the signature has
 * no d= and s= to ask with.
 */
bool dkim_explain_question(const struct dkim_verify_result *result,
                           struct dns_question *q_out);

/*
 * Puts the sentences, each on a line of its own. Text from the message goes
 * out as printable ASCII. Cost: a few hashes of the message; for a body hash
 * that does not verify as many more as lines are cut, within
 * DKIM_EXPLAIN_OCTETS_MAX.
 */
void dkim_explain(const struct dkim_explain *e, struct buf *out);

#endif
