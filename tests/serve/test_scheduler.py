"""The scheduler: order, slots, fairness against a slow reference, full queues, superseded jobs, engines that hang."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import BusyError
from ownlm.serve.job import Job, Work
from ownlm.serve.scheduler import QueueFullError, Scheduler


async def collect(job: Job[int]) -> list[int]:
    return [item async for batch in job.batches() for item in batch]


def counting(count: int) -> Work[int]:
    def work(emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        for number in range(count):
            emit(number)

    return work


def at_gate(gate: threading.Event) -> Work[int]:
    def work(emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        gate.wait(10)

    return work


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(1, 4))
@settings(max_examples=30)
def test_every_job_gives_all_it_emits_in_order(counts: list[int], parallel: int) -> None:
    async def main() -> list[list[int]]:
        scheduler = Scheduler(parallel, 100)
        jobs = [scheduler.submit(counting(count)) for count in counts]
        results = await asyncio.gather(*(collect(job) for job in jobs))
        assert (scheduler.running, scheduler.waiting) == (0, 0)
        scheduler.close()
        return results

    assert asyncio.run(main()) == [list(range(count)) for count in counts]


def test_a_patient_listener_is_woken_for_the_first_item_and_for_the_end() -> None:
    heard = threading.Event()

    def work(emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        emit(0)
        heard.wait(10)
        for number in range(1, 6):
            emit(number)
            looks.wait(10)  # the loop has turned: who is woken for an item has taken it by now
            looks.clear()

    async def turning() -> None:
        while True:
            await asyncio.sleep(0.001)
            looks.set()

    async def main() -> list[list[int]]:
        scheduler = Scheduler(1, 1)
        turns = asyncio.create_task(turning())
        job = scheduler.submit(work)
        job.patient = True
        batches = []
        async for batch in job.batches():
            batches.append(batch)
            heard.set()
        turns.cancel()
        scheduler.close()
        return batches

    looks = threading.Event()
    assert asyncio.run(main()) == [[0], [1, 2, 3, 4, 5]]


def test_no_more_than_parallel_run_at_once_and_no_more_than_queue_wait() -> None:
    gate, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def work(emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(10)
        with lock:
            running -= 1

    async def main() -> None:
        scheduler = Scheduler(2, 3)
        jobs = [scheduler.submit(work) for _ in range(5)]
        with pytest.raises(BusyError):
            scheduler.submit(work)
        assert (scheduler.running, scheduler.waiting) == (2, 3)
        gate.set()
        await asyncio.gather(*(collect(job) for job in jobs))
        await collect(scheduler.submit(work))  # there is room again
        scheduler.close()

    asyncio.run(main())
    assert most == 2


def order_of_service(users: list[str]) -> list[str]:
    """Who is served, in order, when jobs of `users` arrive while the only slot is taken."""
    gate, order = threading.Event(), []

    async def main() -> None:
        scheduler = Scheduler(1, len(users))
        jobs = [scheduler.submit(at_gate(gate))]
        for number, user in enumerate(users):

            def work(emit: Callable[[int], None], cancelled: Callable[[], bool], it: str = f"{user}{number}") -> None:
                order.append(it)

            jobs.append(scheduler.submit(work, user=user))
        gate.set()
        await asyncio.gather(*(collect(job) for job in jobs))
        scheduler.close()

    asyncio.run(main())
    return order


def round_robin(users: list[str]) -> list[str]:
    """The slow, obvious reference: each round takes the oldest job of every user, by their first arrival."""
    jobs = [f"{user}{number}" for number, user in enumerate(users)]
    served: list[str] = []
    while left := [job for job in jobs if job not in served]:
        oldest: dict[str, str] = {}
        for job in left:
            oldest.setdefault(job[0], job)
        rotation = [user for user in dict.fromkeys(users) if user in oldest]
        served += [oldest[user] for user in rotation]
    return served


@given(st.lists(st.sampled_from("abc"), max_size=10))
@settings(max_examples=40)
def test_users_are_served_in_turns(users: list[str]) -> None:
    assert order_of_service(users) == round_robin(users)


def test_a_hundred_requests_of_one_user_delay_another_by_one() -> None:
    assert order_of_service(["a"] * 100 + ["b"]).index("b100") == 1


def test_a_full_queue_drops_the_newest_job_of_the_greediest() -> None:
    gate = threading.Event()

    async def main() -> None:
        scheduler = Scheduler(1, 3)
        running = scheduler.submit(at_gate(gate))
        greedy = [scheduler.submit(counting(1), user="a") for _ in range(3)]
        with pytest.raises(QueueFullError):
            scheduler.submit(counting(1), user="a")
        other = scheduler.submit(counting(1), user="b")
        assert [job.end for job in greedy] == [None, None, "refused"]
        with pytest.raises(QueueFullError):  # a has two, b would have two: nobody is greedier
            scheduler.submit(counting(1), user="b")
        gate.set()
        assert [await collect(job) for job in (*greedy, other)] == [[0], [0], [], [0]]
        await collect(running)
        scheduler.close()

    asyncio.run(main())


def test_a_newer_job_for_the_same_place_supersedes_the_one_that_waits() -> None:
    gate = threading.Event()

    async def main() -> None:
        scheduler = Scheduler(1, 3)
        running = scheduler.submit(at_gate(gate), user="a", place="f.py")
        older = scheduler.submit(counting(1), user="a", place="f.py")
        others = [
            scheduler.submit(counting(1), user="a", place="g.py"),
            scheduler.submit(counting(1), user="b", place="f.py"),
        ]
        newer = scheduler.submit(counting(1), user="a", place="f.py")  # the queue is full, but for the one it replaces
        gate.set()
        assert [await collect(job) for job in (older, *others, newer)] == [[], [0], [0], [0]]
        assert await collect(running) == []
        assert [job.end for job in (running, older, newer)] == ["done", "superseded", "done"]
        scheduler.close()

    asyncio.run(main())


def test_the_time_to_come_again_follows_the_rate() -> None:
    scheduler = Scheduler(2, 100)
    assert scheduler.retry_s() == 1  # nothing is known yet
    scheduler._mean_s, scheduler.waiting = 3.0, 9
    assert scheduler.retry_s() == 15  # ten jobs of 3 s in two slots
    scheduler.waiting = 10_000
    assert scheduler.retry_s() == 60


def test_what_a_job_emitted_before_its_error_is_not_lost() -> None:
    def work(emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        emit(1)
        raise KeyError("mine")

    async def main() -> None:
        scheduler = Scheduler(1, 0)
        seen: list[int] = []

        async def read(job: Job[int]) -> None:
            async for batch in job.batches():
                seen.extend(batch)

        with pytest.raises(KeyError):
            await read(scheduler.submit(work))
        assert seen == [1]
        assert scheduler.running == 0
        scheduler.close()

    asyncio.run(main())


def test_a_cancelled_job_keeps_its_slot_until_its_thread_is_done() -> None:
    gate, told = threading.Event(), threading.Event()

    def work(emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        emit(1)
        gate.wait(10)
        if cancelled():
            told.set()

    async def main() -> None:
        scheduler = Scheduler(1, 1)
        job = scheduler.submit(work)
        waiting = scheduler.submit(work)
        async for _ in job.batches():
            break
        job.cancel()
        waiting.cancel()
        assert (scheduler.running, scheduler.waiting) == (1, 0)  # the waiting one is gone, the running one is not
        gate.set()
        while scheduler.running:
            await asyncio.sleep(0.01)
        scheduler.close()

    asyncio.run(main())
    assert told.is_set()


def test_a_job_that_is_closed_gives_what_is_there_though_its_thread_hangs() -> None:
    gate, emitted = threading.Event(), threading.Event()

    def work(emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        emit(1)
        emitted.set()
        gate.wait(10)
        emit(2)

    async def main() -> None:
        scheduler = Scheduler(1, 0)
        job = scheduler.submit(work)
        await asyncio.to_thread(emitted.wait, 10)
        job.close()
        assert await collect(job) == [1]
        assert (job.end, scheduler.running) == ("expired", 1)
        gate.set()
        while scheduler.running:
            await asyncio.sleep(0.01)
        scheduler.close()

    asyncio.run(main())


def test_a_thread_that_hangs_is_written_off_and_its_slot_given_away() -> None:
    gate, hung, ended = threading.Event(), [], []

    async def main() -> None:
        scheduler = Scheduler(1, 1, hang_s=0)
        stuck = scheduler.submit(at_gate(gate), lambda: ended.append("stuck"), on_hang=lambda: hung.append("stuck"))
        stuck.cancel()
        assert await collect(scheduler.submit(counting(2))) == [0, 1]  # it got the slot
        assert (hung, ended, scheduler.written_off) == (["stuck"], [], 1)
        gate.set()
        while not ended:
            await asyncio.sleep(0.01)
        assert scheduler.running == 0  # the slot was given back once
        scheduler.close()

    asyncio.run(main())


def test_a_job_that_has_ended_keeps_nothing_alive() -> None:
    """Not for the half minute in which a hanging thread would be told: a model would stay for as long."""

    class Big:
        def work(self, emit: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
            emit(1)

        def ended(self) -> None:
            pass

    async def main() -> None:
        scheduler = Scheduler(1, 0)
        big = Big()
        gone = weakref.ref(big)
        job = scheduler.submit(big.work, big.ended, on_hang=big.ended)
        del big
        job.cancel()
        await collect(job)
        while scheduler.running:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # its thread has let go, too
        assert gone() is None
        scheduler.close()

    asyncio.run(main())


def test_closing_ends_those_who_wait() -> None:
    gate = threading.Event()

    async def main() -> None:
        scheduler = Scheduler(1, 2)
        running, waiting = (scheduler.submit(at_gate(gate)) for _ in range(2))
        scheduler.close()
        assert await collect(waiting) == []
        assert waiting.end == "cancelled"
        gate.set()
        await collect(running)

    asyncio.run(main())
