/*
 * parts - what report_read() is made of; see report.h.
 */
#ifndef PROXY_REPORTS_PARTS_H
#define PROXY_REPORTS_PARTS_H

#include <proxy/reports/report.h>
#include <stdio.h>

/* One file that is being read, and what may still come out of it. */
struct report_reading {
    report_callback *cb;
    void *arg;
    char *why;          /* room for REPORT_WHY */
    size_t octets_left; /* unpacked */
    unsigned parts_left;
    unsigned found; /* reports */
};

/* Sets why, and is false. */
bool report_fail(struct report_reading *r, const char *why);

/* Anything: looks what it is, and goes into it. depth: from 0. */
bool report_open(struct report_reading *r, struct bytes data, unsigned depth);

/* A gzip file or a zip archive: report_open() for each file in it. */
bool report_unpack(struct report_reading *r, struct bytes data, unsigned depth);

/* A message: report_open() for each part that may be a report. */
bool report_message(struct report_reading *r, struct bytes data,
                    unsigned depth);

/* One XML document. False: broken, or too much; why is set. */
bool report_xml(struct report_reading *r, struct bytes xml);

/* Begins as a report of one of the forms but a message's. */
bool report_is_xml(struct bytes data);
bool report_is_packed(struct bytes data);

#endif
