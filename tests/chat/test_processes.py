"""Names of processes, and the locks that say who lives."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from chat import processes
from chat.processes import lives, this_process


def test_threads_that_ask_at_once_are_told_one_name_which_is_locked(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    for _ in range(20):
        processes._named.cache_clear()
        together = Barrier(4)

        def named(_number: int, together: Barrier = together) -> str:
            together.wait()
            return this_process()

        with ThreadPoolExecutor(4) as threads:
            names = set(threads.map(named, range(4)))

        assert len(names) == 1 and lives(*names)
    processes._named.cache_clear()  # the next test has another folder
