/*
 * One list for each phase. A peer enters a list at its tail with the time of day, so each list is
 * sorted by age: the overdue are at its head, and cutting one costs the same with ten thousand
 * connections as with ten.
 *
 * Why not the library's own time-out: any byte resets it, so a sender of one byte a minute stays
 * for ever, and a few thousand of those use up all connections.
 */
#include "server/httpd_peers.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#define GONE_MS  1000 /* a request that came together with its sender's goodbye is taken by then */
#define GONE_MAX 1024 /* of a list looked at in one go */

struct httpd_peer {
    int fd;
    enum httpd_phase phase;
    int64_t since_ms;
    int64_t gone_ms; /* since when it is known that the sender has left; 0: he has not */
    struct httpd_peer *prev, *next;
};

struct list {
    struct httpd_peer *head, *tail;
    size_t n;
};

struct httpd_peers {
    struct httpd_peers_config config;
    int64_t limit_ms[HTTPD_N_PHASES]; /* -1: none */
    pthread_mutex_t lock;             /* of all below, and of every peer */
    pthread_cond_t changed;           /* somebody entered, or was answered */
    struct list lists[HTTPD_N_PHASES];
    size_t n_inside, n_announced;
};

int httpd_peers_new(const struct httpd_peers_config *config, struct httpd_peers **out,
                    struct err *e)
{
    struct httpd_peers *p = calloc(1, sizeof(*p));
    pthread_condattr_t attr;

    if (p == NULL)
        return err_nomem(e);
    p->config = *config;
    for (size_t i = 0; i < HTTPD_N_PHASES; i++)
        p->limit_ms[i] = -1;
    p->limit_ms[HTTPD_PHASE_RECEIVING] = config->receive_ms;
    p->limit_ms[HTTPD_PHASE_ANSWERING] = config->receive_ms;
    p->limit_ms[HTTPD_PHASE_IDLE] = config->idle_ms;
    pthread_mutex_init(&p->lock, NULL); /* these cannot fail on Linux */
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    *out = p;
    return 0;
}

void httpd_peers_free(struct httpd_peers *p)
{
    if (p == NULL)
        return;
    assert(p->n_inside == 0);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static void list_append(struct list *l, struct httpd_peer *peer)
{
    peer->prev = l->tail;
    peer->next = NULL;
    *(l->tail != NULL ? &l->tail->next : &l->head) = peer;
    l->tail = peer;
    l->n++;
}

static void list_remove(struct list *l, struct httpd_peer *peer)
{
    *(peer->prev != NULL ? &peer->prev->next : &l->head) = peer->next;
    *(peer->next != NULL ? &peer->next->prev : &l->tail) = peer->prev;
    l->n--;
}

/* With the lock held. */
static void relink(struct httpd_peers *p, struct httpd_peer *peer, enum httpd_phase phase)
{
    const enum httpd_phase before = peer->phase;

    list_remove(&p->lists[before], peer);
    peer->phase = phase;
    peer->since_ms = clock_now_ms(p->config.clk);
    peer->gone_ms = 0;
    list_append(&p->lists[phase], peer);
    if (before == HTTPD_PHASE_WAITING || before == HTTPD_PHASE_ANSWERING)
        pthread_cond_broadcast(&p->changed);
}

/* With the lock held, which keeps the descriptor open: its owner has to leave first. */
static void cut(struct httpd_peers *p, struct httpd_peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    relink(p, peer, HTTPD_PHASE_CUT);
}

/* The oldest of those that owe us a request; those that take their answer only when there is no
 * other. NULL: everybody is waiting for us. With the lock held. */
static struct httpd_peer *oldest(const struct httpd_peers *p)
{
    struct httpd_peer *r = p->lists[HTTPD_PHASE_RECEIVING].head;
    struct httpd_peer *i = p->lists[HTTPD_PHASE_IDLE].head;

    if (r == NULL && i == NULL)
        return p->lists[HTTPD_PHASE_ANSWERING].head;
    if (r == NULL || (i != NULL && i->since_ms < r->since_ms))
        return i;
    return r;
}

bool httpd_peers_announce(struct httpd_peers *p)
{
    bool room;

    pthread_mutex_lock(&p->lock);
    while (p->n_inside + p->n_announced - p->lists[HTTPD_PHASE_CUT].n >=
           p->config.max - p->config.max / 4) {
        struct httpd_peer *peer = oldest(p);
        if (peer == NULL)
            break;
        cut(p, peer);
    }
    room = p->n_inside + p->n_announced < p->config.max && p->n_announced < HTTPD_PEERS_BURST;
    if (room)
        p->n_announced++;
    pthread_mutex_unlock(&p->lock);
    return room;
}

void httpd_peers_forget(struct httpd_peers *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->n_announced > 0)
        p->n_announced--;
    pthread_mutex_unlock(&p->lock);
}

static struct timespec time_in(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool httpd_peers_settle(struct httpd_peers *p, int64_t ms)
{
    const struct timespec until = time_in(ms);
    int rc = 0;

    pthread_mutex_lock(&p->lock);
    while (p->n_announced > 0 && rc == 0)
        rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
    const bool settled = p->n_announced == 0;
    pthread_mutex_unlock(&p->lock);
    return settled;
}

void httpd_peers_forget_all(struct httpd_peers *p)
{
    pthread_mutex_lock(&p->lock);
    p->n_announced = 0;
    pthread_mutex_unlock(&p->lock);
}

struct httpd_peer *httpd_peers_enter(struct httpd_peers *p, int fd)
{
    struct httpd_peer *peer = calloc(1, sizeof(*peer));

    pthread_mutex_lock(&p->lock);
    if (p->n_announced > 0 && --p->n_announced == 0)
        pthread_cond_broadcast(&p->changed);
    if (peer != NULL) {
        peer->fd = fd;
        peer->since_ms = clock_now_ms(p->config.clk);
        list_append(&p->lists[HTTPD_PHASE_RECEIVING], peer);
        metrics_set(p->config.metrics, "skr_connections", (double)++p->n_inside, NULL, NULL, NULL);
    }
    pthread_mutex_unlock(&p->lock);
    return peer;
}

void httpd_peers_leave(struct httpd_peers *p, struct httpd_peer *peer)
{
    pthread_mutex_lock(&p->lock);
    list_remove(&p->lists[peer->phase], peer);
    metrics_set(p->config.metrics, "skr_connections", (double)--p->n_inside, NULL, NULL, NULL);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    free(peer);
}

void httpd_peers_move(struct httpd_peers *p, struct httpd_peer *peer, enum httpd_phase phase)
{
    pthread_mutex_lock(&p->lock);
    if (peer->phase != phase)
        relink(p, peer, phase);
    pthread_mutex_unlock(&p->lock);
}

/*
 * The library reads until a read is short, and so does not see the end of a stream that came
 * together with the last bytes. Such a request is never completed. With the lock held.
 */
static void cut_gone(struct httpd_peers *p, const struct list *l, int64_t now)
{
    struct httpd_peer *next = NULL;
    size_t n = 0;

    for (struct httpd_peer *peer = l->head; peer != NULL && n < GONE_MAX; peer = next, n++) {
        struct pollfd fd = { .fd = peer->fd, .events = POLLRDHUP };

        next = peer->next;
        if (poll(&fd, 1, 0) != 1)
            continue;
        if (peer->gone_ms == 0)
            peer->gone_ms = now;
        else if (now - peer->gone_ms >= GONE_MS)
            cut(p, peer);
    }
}

void httpd_peers_cut_overdue(struct httpd_peers *p)
{
    pthread_mutex_lock(&p->lock);
    const int64_t now = clock_now_ms(p->config.clk);
    for (size_t i = 0; i < HTTPD_N_PHASES; i++) {
        struct httpd_peer *peer;
        while (p->limit_ms[i] >= 0 && (peer = p->lists[i].head) != NULL &&
               now - peer->since_ms >= p->limit_ms[i])
            cut(p, peer);
    }
    cut_gone(p, &p->lists[HTTPD_PHASE_RECEIVING], now);
    cut_gone(p, &p->lists[HTTPD_PHASE_IDLE], now);
    pthread_mutex_unlock(&p->lock);
}

size_t httpd_peers_count(struct httpd_peers *p)
{
    pthread_mutex_lock(&p->lock);
    const size_t n = p->n_inside;
    pthread_mutex_unlock(&p->lock);
    return n;
}

void httpd_peers_wait_answered(struct httpd_peers *p, int64_t ms)
{
    const struct timespec until = time_in(ms);

    pthread_mutex_lock(&p->lock);
    while (p->lists[HTTPD_PHASE_WAITING].n > 0)
        pthread_cond_wait(&p->changed, &p->lock);
    while (p->lists[HTTPD_PHASE_ANSWERING].n > 0)
        if (pthread_cond_timedwait(&p->changed, &p->lock, &until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&p->lock);
}
