/*
 * explain_body - which change of a body would give it this hash.
 */
#ifndef DKIM_EXPLAIN_BODY_H
#define DKIM_EXPLAIN_BODY_H

#include <base/buf.h>
#include <base/bytes.h>

#include <dkim/signature.h>

/* Puts one sentence: the guess that fits, or that none does. */
void dkim_explain_body(const struct dkim_signature *sig, struct bytes body,
                       struct buf *out);

#endif
