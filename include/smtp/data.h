/*
 * data - message octets between 354 and the end of data, both directions.
 *
 * Only CRLF ends a line and only CRLF "." CRLF ends a message. A bare CR, a
 * bare LF or a NUL is a fault: the decoder reads on to the real end, says at
 * the end what it saw, and the caller refuses the message. What two servers
 * end differently can be smuggled.
 *
 * RFC 5321 4.5.2 (transparency), 2.3.8 (bare CR and LF), 4.1.1.4 (DATA).
 */
#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include <base/bytes.h>

enum smtp_data_result {
    SMTP_DATA_MORE, /* message not over yet */
    SMTP_DATA_DONE  /* message over; *in starts behind the final CRLF */
};

/* What was seen anywhere in the message. */
enum smtp_data_fault {
    SMTP_FAULT_BARE_CR = 1,
    SMTP_FAULT_BARE_LF = 2,
    SMTP_FAULT_NUL = 4,
    SMTP_FAULT_TOO_BIG = 8,   /* more than octets_max; the rest is dropped */
    SMTP_FAULT_LONG_LINE = 16, /* a line of more than 998 octets */
    SMTP_FAULT_8BIT = 32      /* an octet over 127: a fact, not always a fault */
};

/* Caller-allocated so that it can live inside a session; fields private. */
struct smtp_data_decoder {
    uint64_t octets;
    uint64_t octets_max;
    size_t line_octets;
    unsigned faults;
    uint8_t state;
    bool normalize;
    bool chunks;
};

/*
 * octets_max  limit of decoded octets, UINT64_MAX for none.
 * normalize   a bare LF comes out as CRLF and a bare CR as SP (the faults
 *             are noted all the same). A bare LF still never ends a line in
 *             the sense of transparency: "\n.\r\n" is no end of data.
 */
void smtp_data_decoder_init(struct smtp_data_decoder *d, uint64_t octets_max,
                            bool normalize);

/*
 * Decodes the next piece of a message sent after DATA.
 *
 * in   wire octets, any length, split anywhere. On return *in is what is
 *      left: call again until it is empty or the result is DONE.
 * out  decoded octets: a view into the old *in or a static string; may be
 *      empty, and is with DONE. Valid until that memory changes.
 *      Concatenated, they are the message, the same for every split.
 *
 * One pass, no allocation, no copy.
 */
enum smtp_data_result smtp_data_decode(struct smtp_data_decoder *d,
                                       struct bytes *in, struct bytes *out);

/*
 * For a message that comes in BDAT chunks (RFC 3030): no dots, the same
 * faults. smtp_data_decode() then takes the octets of all chunks, one behind
 * the other, and never says DONE; smtp_data_chunks_end() gives what is left:
 * a held CR, which is a bare one, and the line end that a last line lacks, so
 * that what is signed is what every later hop keeps (RFC 5321 4.1.1.4).
 */
void smtp_data_chunks_init(struct smtp_data_decoder *d, uint64_t octets_max,
                           bool normalize);
struct bytes smtp_data_chunks_end(struct smtp_data_decoder *d);

/* Faults seen so far; whole after DONE. */
unsigned smtp_data_faults(const struct smtp_data_decoder *d);

/* Decoded octets so far, dropped ones included. */
uint64_t smtp_data_octets(const struct smtp_data_decoder *d);

/*
 * The way out: stuffs dots. Caller-allocated; zero is the start of a message.
 */
struct smtp_data_encoder {
    bool mid_line; /* private: the last octet out did not end a line */
    bool after_cr;
};

/*
 * Encodes the next piece of a message.
 * in   content octets, CRLF line ends only. On return *in is what is left:
 *      call again until it is empty.
 * out  wire octets: a view into the old *in or a static string.
 */
void smtp_data_encode(struct smtp_data_encoder *e, struct bytes *in,
                      struct bytes *out);

/* The octets that end the message: ".\r\n", or "\r\n.\r\n" after a cut line. */
struct bytes smtp_data_encode_end(const struct smtp_data_encoder *e);

#endif
