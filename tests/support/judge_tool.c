#include "support/asserts.h"

#include "support/judge_tool.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORDS 32

static void split(char *text, char *words[static MAX_WORDS + 1])
{
    size_t n = 0;

    while (*text != '\0' && n < MAX_WORDS) {
        words[n++] = text;
        text += strcspn(text, " ");
        if (*text == ' ')
            *text++ = '\0';
    }
    words[n] = NULL;
}

static void run_child(const char *command, const char *dir, const char *stdin_file,
                      bool with_stderr, int out_fd)
{
    char text[2048];
    char *words[MAX_WORDS + 1];

    if (strlen(command) >= sizeof(text) || chdir(dir) != 0)
        _exit(126);
    memcpy(text, command, strlen(command) + 1);
    split(text, words);
    const int in = open(stdin_file == NULL ? "/dev/null" : stdin_file, O_RDONLY | O_CLOEXEC);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (in < 0 || null < 0)
        _exit(126);
    dup2(in, STDIN_FILENO);
    dup2(out_fd, STDOUT_FILENO);
    dup2(with_stderr ? out_fd : null, STDERR_FILENO);
    execvp(words[0], words);
    _exit(JUDGE_ABSENT);
}

int judge_tool(const char *command, const char *dir, const char *stdin_file, bool with_stderr,
               struct buf *out)
{
    char piece[4096];
    int fds[2], status;
    struct err e;
    ssize_t n;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    const pid_t child = fork();
    if (child == 0)
        run_child(command, dir, stdin_file, with_stderr, fds[1]);
    assert_true(child > 0);
    close(fds[1]);
    while ((n = read(fds[0], piece, sizeof(piece))) > 0)
        assert_ok(buf_add(out, piece, (size_t)n, &e));
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
