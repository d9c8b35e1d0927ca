"""BLAS threads: one inside the engine, as many as before outside, whatever the environment says."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
from threadpoolctl import threadpool_info

from zprime_recast.io.threads import one_blas_thread


def blas_threads():
    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas" and "numpy" in p["filepath"]]


def test_one_thread_inside_and_as_many_as_before_outside():
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) <= {1}
        with one_blas_thread():
            assert set(blas_threads()) <= {1}
        assert set(blas_threads()) <= {1}
    assert blas_threads() == before


def test_blocks_in_several_threads_put_back_what_was():
    before = blas_threads()

    def work():
        for _ in range(500):
            with one_blas_thread():
                np.dot(np.ones((2, 2)), np.ones((2, 2)))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert blas_threads() == before


def test_an_evaluation_uses_one_processor_as_installed():
    """CPU time over wall time of a table, without any variable of the environment: at most 1.3."""
    code = """
import time, numpy as np, zprime_recast as zr
rng = np.random.default_rng(1)
table = {"mass_gev": rng.uniform(400, 5000, 600), "coupling": 10 ** rng.uniform(-3, -1, 600)}
rows = zr.scan.evaluator("atlas-139fb-dilepton", "minimal_bl")
rows(table)
wall, cpu = time.perf_counter(), time.process_time()
rows(table)
print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300)
    assert float(out.stdout) < 1.3
