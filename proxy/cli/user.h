/*
 * user - what the files of `sealpost user` share.
 */
#ifndef PROXY_CLI_USER_H
#define PROXY_CLI_USER_H

int user_list(int argc, char **argv);
int user_test(int argc, char **argv);

#endif
