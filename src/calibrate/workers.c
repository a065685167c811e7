#include "calibrate/workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* Engines spin between operations, which come by the thousand a second; after that many looks a thread sleeps. */
#define SPINS 20000

typedef struct seat {
    mf_workers *workers;
    size_t number;
    pthread_t thread;
} seat;

struct mf_workers {
    size_t n;
    size_t n_started;
    seat *seats;
    mf_work_fn *work;
    void *payload;
    atomic_size_t turn; /* goes up by one a task */
    atomic_size_t n_busy;
    atomic_bool leaving;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static size_t wait_for_turn(mf_workers *w, size_t last)
{
    for (int i = 0; i < SPINS; i++) {
        const size_t turn = atomic_load_explicit(&w->turn, memory_order_acquire);
        if (turn != last) {
            return turn;
        }
    }
    (void)pthread_mutex_lock(&w->lock);
    while (atomic_load(&w->turn) == last) {
        (void)pthread_cond_wait(&w->wake, &w->lock);
    }
    const size_t turn = atomic_load(&w->turn);
    (void)pthread_mutex_unlock(&w->lock);
    return turn;
}

static void *sit(void *payload)
{
    const seat *mine = payload;
    mf_workers *w = mine->workers;
    size_t turn = 0;
    for (;;) {
        turn = wait_for_turn(w, turn);
        if (atomic_load(&w->leaving)) {
            return NULL;
        }
        w->work(w->payload, mine->number);
        (void)atomic_fetch_sub_explicit(&w->n_busy, 1, memory_order_release);
    }
}

static void call(mf_workers *w)
{
    (void)pthread_mutex_lock(&w->lock);
    (void)atomic_fetch_add_explicit(&w->turn, 1, memory_order_release);
    (void)pthread_cond_broadcast(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
}

mf_status mf_workers_new(mf_workers **out, size_t n, mf_error *err)
{
    mf_workers *w = calloc(1, sizeof *w);
    if (w != NULL) {
        w->seats = calloc(n, sizeof *w->seats);
        (void)pthread_mutex_init(&w->lock, NULL);
        (void)pthread_cond_init(&w->wake, NULL);
        w->n = n;
        w->n_started = 1;
    }
    bool started = w != NULL && w->seats != NULL;
    for (size_t i = 1; started && i < n; i++) {
        w->seats[i] = (seat){.workers = w, .number = i};
        started = pthread_create(&w->seats[i].thread, NULL, sit, &w->seats[i]) == 0;
        w->n_started += started ? 1 : 0;
    }
    if (!started) {
        mf_workers_free(w);
        return mf_fail(err, MF_E_NOMEM, "can't start %zu threads", n);
    }
    *out = w;
    return MF_OK;
}

void mf_workers_free(mf_workers *workers)
{
    if (workers == NULL) {
        return;
    }
    atomic_store(&workers->leaving, true);
    call(workers);
    for (size_t i = 1; i < workers->n_started; i++) {
        (void)pthread_join(workers->seats[i].thread, NULL);
    }
    (void)pthread_mutex_destroy(&workers->lock);
    (void)pthread_cond_destroy(&workers->wake);
    free(workers->seats);
    free(workers);
}

void mf_workers_run(mf_workers *workers, mf_work_fn *work, void *payload)
{
    workers->work = work;
    workers->payload = payload;
    atomic_store_explicit(&workers->n_busy, workers->n - 1, memory_order_relaxed);
    call(workers);
    work(payload, 0);
    while (atomic_load_explicit(&workers->n_busy, memory_order_acquire) > 0) {
        (void)sched_yield();
    }
}
