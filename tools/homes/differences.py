"""Whether two gathered homes are the same, and where they differ first.

Concept: files with the same bytes are the same, and nothing else is looked at. Others are read, and each record of the
old side, with the changes that are meant, has to say what its partner on the new side says. Where they differ in
nothing but hashes, the hashes are followed. The hash of a file may be another one where the file holds a change that
is meant, and so may what seals a document of its own; any other hash only in a record that holds a hash which may. The
same old hash has to be the same new one everywhere. So a permitted sentence moves the name of its file, each manifest
from there on, heads and their signatures, and no id. That a hash is the hash of its content is what each side has
verified of its own log and models (`answers/log_verify.json`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.homes.reading import SEALS, Change, Reader, Record, content_hash, has_left_out

HASH = re.compile(r"(?<![0-9A-Za-z.])(?:[0-9a-f]{16,}|(?=[0-9]*[a-f])[0-9a-f]{12,15})(?![0-9A-Za-z])")
"""Hex digits as ids, versions and hashes have them; shorter ones that people read have a letter."""
COMPARED_DIGITS = 12
"""A hash is often cut, in names of files and on pages: digits by which the whole is found again."""
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
INDEX = re.compile(r".*\.|\[\d+\]")
"""What is no name of a field in a place such as `head.manifests[0].sha256`."""
ORDER = ("lake/events", "lake/rejected", "lake/models", "lake/fold_models", "lake/reports", "lake/tables", "lake")
"""Where a difference is named first: what is made of other things comes later."""

Pairs = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Difference:
    """Where two homes differ, and in what."""

    file: str
    place: str
    says: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.file}, {self.place}: {self.says}" if self.place else f"{self.file}: {self.says}"


@dataclass
class Comparison:
    """What was found.

    Attributes:
        files: that both sides have.
        changed: of them, those that are the same but for what is permitted.
        differences: the first of each file, in the order in which things are made.
        unused: permitted changes that nothing has.
    """

    files: int = 0
    changed: int = 0
    differences: list[Difference] = field(default_factory=list)
    unused: tuple[Change, ...] = ()


@dataclass(frozen=True)
class _Hashes:
    """Hashes that became others in one record, or as names and bytes of one file.

    Attributes:
        pairs: old and new.
        causes: pairs of which one has to be explained for these to be; of a file, those in it.
        has_cause: whether a change that is meant touched what they hash.
    """

    file: str
    place: str
    pairs: Pairs
    causes: Pairs
    has_cause: bool


def compare(old: Path, new: Path, changes: Sequence[Change] = ()) -> Comparison:
    """Compare two gathered homes, the old one with the changes that are meant."""
    before, after = Reader(changes), Reader()
    found = Comparison()
    followed: list[_Hashes] = []
    for first, second in _paired(old, new, before):
        if first is None or second is None:
            says = "only the new side has it" if first is None else "only the old side has it"
            found.differences.append(Difference(first or second or "", "", says))
            continue
        found.files += 1
        if before.name(first) == second and content_hash(old / first) == content_hash(new / second):
            continue
        found.changed += 1
        pairs = list(_records_paired(before.records(old, first), after.records(new, second)))
        difference = next(filter(None, (_difference(second, one, other) for one, other in pairs)), None)
        if difference is not None:
            found.differences.append(difference)
            continue
        matched = ((one, other) for one, other in pairs if one is not None and other is not None)
        own = [found for one, other in matched for found in _of_record(second, one, other)]
        if not own and before.name(first) == second:
            if not has_left_out(second):
                found.differences.append(Difference(second, "", "the same records in other bytes"))
            continue
        names = _hash_pairs(before.name(first), second) | _pair(content_hash(old / first), content_hash(new / second))
        inside = frozenset[tuple[str, str]]().union(*(one.pairs for one in own))
        followed += [*own, _Hashes(second, "", names, inside, any(one.has_cause for one in own))]
    found.differences += _unexplained(followed)
    found.differences.sort(key=lambda one: _made_at(one.file))
    found.unused = tuple(change for change in before.changes if change not in before.used)
    return found


def _paired(old: Path, new: Path, before: Reader) -> Iterator[tuple[str | None, str | None]]:
    """Yield the paths of partners: of one name, else of one name but for hashes, ordered by what they say."""
    firsts = {before.name(path): path for path in _files(old)}
    seconds = _files(new)
    yield from ((firsts[path], path) for path in seconds if path in firsts)
    left: defaultdict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for named, path in firsts.items():
        if named not in seconds:
            left[HASH.sub("#", named)][0].append(path)
    for path in seconds:
        if path not in firsts:
            left[HASH.sub("#", path)][1].append(path)
    for ones, others in left.values():
        if len(ones) > 1 or len(others) > 1:
            said = {path: "\n".join(one.text for one in before.records(old, path)) for path in ones}
            says = {path: "\n".join(one.text for one in Reader().records(new, path)) for path in others}
            masked = _mask_of(said.values(), says.values())
            ones.sort(key=lambda path: (masked(said[path]), path))
            others.sort(key=lambda path: (masked(says[path]), path))
        yield from zip(ones, others, strict=False)
        yield from ((path, None) for path in ones[len(others) :])
        yield from ((None, path) for path in others[len(ones) :])


def _files(root: Path) -> dict[str, None]:
    return dict.fromkeys(path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file())


def _masked(record: Record) -> str:
    return HASH.sub("#", record.text)


def _mask_of(old: Iterable[str], new: Iterable[str]) -> Callable[[str], str]:
    """Return what takes out of a text the hashes that only one side has, so that those of both tell partners."""
    ones, others = (set(HASH.findall("\n".join(side))) for side in (old, new))
    both = ones & others
    return lambda text: HASH.sub(lambda found: found.group() if found.group() in both else "#", text)


def _records_paired(old: Sequence[Record], new: Sequence[Record]) -> Iterator[tuple[Record | None, Record | None]]:
    """Yield partners: record by record, or by what they say but for hashes, where rows are ordered by those."""
    texts, others = [_masked(one) for one in old], [_masked(one) for one in new]
    if texts != others and Counter(texts) == Counter(others):
        masked = _mask_of((one.text for one in old), (one.text for one in new))
        old, new = (sorted(side, key=lambda one: masked(one.text)) for side in (old, new))
    yield from zip(old, new, strict=False)
    yield from ((one, None) for one in old[len(new) :])
    yield from ((None, one) for one in new[len(old) :])


def _difference(file: str, old: Record | None, new: Record | None) -> Difference | None:
    """Return in what two records differ that is no hash."""
    if old is None or new is None:
        one, side = (new, "new") if old is None else (old, "old")
        assert one is not None
        return Difference(file, one.place, f"only the {side} side has it: {_short(one.value)}")
    if _masked(old) == _masked(new):
        return None
    leaves = _leaves("", old.value, new.value)
    place, first, second = next(one for one in leaves if HASH.sub("#", repr(one[1])) != HASH.sub("#", repr(one[2])))
    return Difference(file, " ".join(filter(None, (new.place, place))), f"{_short(first)} became {_short(second)}")


def _leaves(place: str, old: object, new: object) -> Iterator[tuple[str, object, object]]:
    """Yield where two values say something, and what each says there."""
    if isinstance(old, dict) and isinstance(new, dict) and HASH.sub("#", repr([*old])) == HASH.sub("#", repr([*new])):
        for (name, one), (other_name, other) in zip(old.items(), new.items(), strict=True):
            yield f"{place}.{name}".lstrip("."), name, other_name
            yield from _leaves(f"{place}.{name}".lstrip("."), one, other)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _leaves(f"{place}[{number}]", one, other)
    else:
        yield place, old, new


def _short(value: object, most: int = 300) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."


def _pair(old: str, new: str) -> Pairs:
    return frozenset() if old == new else frozenset({(old[:COMPARED_DIGITS], new[:COMPARED_DIGITS])})


def _hash_pairs(old: object, new: object) -> Pairs:
    """Return the hashes that differ in what is the same without them."""
    pairs = zip(HASH.findall(str(old)), HASH.findall(str(new)), strict=True)
    return frozenset[tuple[str, str]]().union(*(_pair(one, other) for one, other in pairs))


def _of_record(file: str, old: Record, new: Record) -> Iterator[_Hashes]:
    """Yield all hashes of a record that differ, and those that a change which touched it may have moved."""
    leaves = list(_leaves("", old.value, new.value)) if old.text != new.text else []
    if pairs := frozenset[tuple[str, str]]().union(*(_hash_pairs(one, other) for _, one, other in leaves)):
        yield _Hashes(file, new.place, pairs, pairs, has_cause=False)
    if old.touched_by:
        fields = {*SEALS, *(field for change in old.touched_by for field in change.moves)}
        moved = [_hash_pairs(one, other) for place, one, other in leaves if INDEX.sub("", place) in fields]
        yield _Hashes(file, new.place, frozenset[tuple[str, str]]().union(*moved), frozenset(), has_cause=True)


def _unexplained(found: Sequence[_Hashes]) -> Iterator[Difference]:
    """Yield hashes that became others without a cause, the first of each file, and those that became several."""
    explained, waiting = set[tuple[str, str]](), list(found)
    while live := [one for one in waiting if one.has_cause or one.causes & explained]:
        waiting = [one for one in waiting if not (one.has_cause or one.causes & explained)]
        explained.update(*(one.pairs for one in live))
    files = set[str]()
    for one in waiting:
        if one.file not in files and (left := sorted(one.pairs - explained)):
            files.add(one.file)
            says = f"the hash {left[0][0]} became {left[0][1]}, and nothing that may change is in what it hashes"
            yield Difference(one.file, one.place, says)
    for side, other in ((0, 1), (1, 0)):
        partners = defaultdict[str, set[str]](set)
        for pair in explained:
            partners[pair[side]].add(pair[other])
        for digest, several in sorted(partners.items()):
            if len(several) > 1:
                where = next(one for one in found if any(digest == pair[side] for pair in one.pairs))
                yield Difference(where.file, where.place, f"{digest} stands for {', '.join(sorted(several))} alike")


def _made_at(file: str) -> tuple[int, str, int, str]:
    """Return the place of a file in the order in which things are made: by day where it has one."""
    day = DAY.search(file)
    rank = next((number for number, root in enumerate(ORDER) if file.startswith(f"{root}/")), len(ORDER))
    return (0 if day else 1, day.group() if day else "", rank, file)
