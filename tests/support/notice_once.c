/*
 * notice_once - notice_send() from the command line, for integration tests.
 *
 *   notice_once CONF KIND SUBJECT SELECTOR TEXT TIME
 *   notice_once CONF certificates TIME
 *
 * KIND as in the JSON. Exit 0 when it is true, else 1.
 */
#include "proxy/notices/compose.h"
#include "proxy/notices/notice.h"

#include <stdio.h>
#include <stdlib.h>

static bool
send_one(const struct conf *conf, char **argv)
{
    struct notice n = { NOTICE_DOMAIN_GREEN, argv[3], argv[4], argv[5],
                        strtoull(argv[6], NULL, 10) };

    for (int i = NOTICE_DOMAIN_GREEN; i <= NOTICE_CERTIFICATE; i++) {
        if (strcmp(argv[2], notice_kind_name((enum notice_kind)i)) == 0) {
            n.kind = (enum notice_kind)i;
        }
    }
    return notice_send(conf, &n);
}

int
main(int argc, char **argv)
{
    struct conf_errors *errors;
    struct conf *conf;
    bool good;

    if (argc != 4 && argc != 7) {
        return 2;
    }
    conf_load(argv[1], &conf, &errors);
    if (conf == NULL) {
        fprintf(stderr, "%s\n", conf_errors_line(errors, 0));
        return 2;
    }
    conf_errors_free(&errors);
    good = argc == 7 ? send_one(conf, argv)
                     : notice_certificates(conf, strtoull(argv[3], NULL, 10));
    conf_free(&conf);
    return good ? 0 : 1;
}
