/*
 * fuzz_smtp_command - any line parses within its bounds; what is taken for a
 * path is the same after it was written to an upstream and read again.
 */
#include <smtp/client.h>
#include <smtp/command.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_view(struct bytes line, struct bytes view)
{
    assert(view.len == 0 || (view.ptr >= line.ptr &&
                             view.ptr + view.len <= line.ptr + line.len));
}

static void
check_again(const struct smtp_command *cmd)
{
    const struct smtp_caps caps = { .offers = ~0u };
    struct buf out = BUF_INIT;
    struct smtp_command again;
    struct bytes line;
    bool put;

    put = cmd->verb == SMTP_VERB_MAIL
              ? smtp_mail_put(&out, &caps, cmd->path.mailbox, &cmd->params,
                              cmd->params.size)
              : smtp_rcpt_put(&out, &caps, cmd->path.mailbox, &cmd->params);
    assert(put && !buf_failed(&out));
    line = buf_bytes(&out);
    line.len -= 2;
    assert(smtp_command_parse(line, &again) == SMTP_OK);
    assert(again.verb == cmd->verb);
    assert(bytes_eq(again.path.mailbox, cmd->path.mailbox));
    assert(bytes_eq(again.path.domain, cmd->path.domain));
    assert(again.params.size == cmd->params.size);
    buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes line = { data, size };
    struct smtp_command cmd;
    struct smtp_path path;

    if (smtp_command_parse(line, &cmd) == SMTP_OK) {
        check_view(line, cmd.arg);
        check_view(line, cmd.name);
        check_view(line, cmd.initial);
        check_view(line, cmd.path.mailbox);
        check_view(line, cmd.path.local);
        check_view(line, cmd.path.domain);
        for (unsigned i = 0; i < SMTP_PARAM_COUNT; i++) {
            check_view(line, cmd.params.value[i]);
        }
        if (cmd.verb == SMTP_VERB_MAIL || cmd.verb == SMTP_VERB_RCPT) {
            check_again(&cmd);
        }
    } else {
        assert(cmd.arg.len == 0 && cmd.path.mailbox.len == 0);
    }
    if (smtp_mailbox_parse(line, &path) == SMTP_OK) {
        assert(path.mailbox.len == size);
        assert(path.local.len + 1 + path.domain.len == size);
    }
    return 0;
}
