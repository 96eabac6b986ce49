"""Reading, the network and writing at the same time, of one picture after another."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")


def in_stages(
    items: Iterable[Item],
    read: Callable[[Item], Any],
    answer: Callable[[Item, Any], Any],
    write: Callable[[Item, Any], Any],
) -> Iterator[tuple[Item, Future]]:
    """While one item is answered, read the next and write the one before.

    Close it, by `contextlib.closing`, where not all is taken: what has begun is done
    to its end, and nothing else begins.

    Args:
        items: What there is to do, in order.
        read: item -> what is read, in a thread of its own; None for what is so large
            that no other may be written meanwhile, which `answer` reads then.
        answer: (item, what was read) -> what is to be written, in this thread.
        write: (item, answer) -> result, in a thread of its own.

    Yields:
        Every item, in order, with a future that is done or will be: of what `write`
        returned, or what any of the three raised.
    """
    items = iter(items)
    reader, writer = (ThreadPoolExecutor(1) for _ in range(2))
    ahead: deque[tuple[Item, Future]] = deque()
    behind: tuple[Item, Future] | None = None

    def read_one() -> None:
        for item in islice(items, 1):
            ahead.append((item, reader.submit(read, item)))

    try:
        read_one()
        while ahead:
            item, reading = ahead.popleft()
            read_one()
            written: Future = Future()
            try:
                found = reading.result()
                if found is None and behind:
                    wait([behind[1]])
                written = writer.submit(write, item, answer(item, found))
                if found is None:
                    wait([written])
            except Exception as error:
                written.set_exception(error)
            if behind:
                yield behind
            behind = item, written
        if behind:
            yield behind
    finally:
        reader.shutdown(cancel_futures=True)
        writer.shutdown()
