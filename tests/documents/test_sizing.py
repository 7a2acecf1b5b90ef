"""How much of a cluster a collection takes: one formula, and the page that shows its figures."""

import pytest

from benchmarks import index_sizes
from documents.index.sizing import chunks_that_fit, collection_size

MEMORY, DISK = 1_000_000_000, 4_000_000_000


@pytest.mark.parametrize("dimension", [1024, 512, 384, 256, 0])
def test_what_is_said_to_fit_does_and_a_thousand_more_do_not(dimension):
    fit = chunks_that_fit(MEMORY, DISK, dimension)
    size, larger = collection_size(fit, dimension), collection_size(fit + 1000, dimension)
    assert size.memory <= MEMORY and size.disk <= DISK
    assert larger.memory > MEMORY or larger.disk > DISK


def test_nothing_fits_into_less_than_the_server_itself_takes():
    assert chunks_that_fit(100_000_000, DISK, 1024) == 0


def test_the_table_of_the_handbook_is_that_of_the_formula():
    """benchmarks/index_sizes.py --write"""
    assert index_sizes.TABLE.findall(index_sizes.PAGE.read_text("utf-8")) == [index_sizes.table()]
