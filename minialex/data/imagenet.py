"""ILSVRC-2010 and 2012 as they are distributed -> files and labels. The development kit says which class is which.

The kit counts the classes in an order of its own (2012: its number 1 is the kit fox). Everybody's labels, and those of every
published net, are another count: the position of the class's WordNet id (wnid) among all the wnids, sorted. A net trained on
the one and tested with the other is right once in a thousand times, and nothing says why; so the kit's numbers are
translated here, at the door.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minialex.arrays import Array
from minialex.data.errors import DataError, printable
from minialex.data.photos import Part, Photos, classes_of, folders, part, pictures_in, some

WNID = re.compile(r"n\d{8}")
VALIDATION_PICTURE = re.compile(r"ILSVRC20\d\d_val_(\d{8})\.[a-z]+", re.IGNORECASE)
TRAIN = ("train", "ILSVRC2012_img_train", "ILSVRC2010_img_train", "Data/CLS-LOC/train", "ILSVRC/Data/CLS-LOC/train", ".")
VAL = ("val", "validation", "ILSVRC2012_img_val", "ILSVRC2010_img_val", "Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/val")


@dataclass(frozen=True)
class Kit:
    """A development kit. wnids sorted, and the classes' names in the same order; sizes: how many training pictures each has.

    val_labels int64: position in wnids of the class of validation picture 1, 2, ...
    """

    name: str
    wnids: tuple[str, ...]
    classes: tuple[str, ...]
    sizes: tuple[int, ...]
    val_labels: Array


def find_imagenet(root: str | os.PathLike[str], devkit: str | os.PathLike[str] | None = None) -> Photos | None:
    """The training folders by wnid, the validation folder (flat, or by wnid too) and the kit, below `root`.

    devkit: where the kit is, if not below `root`. None if there is no ImageNet. Raises DataError where parts are missing.
    """
    root = Path(root)
    folder = kit_folder(Path(devkit) if devkit is not None else root, devkit is not None)
    val = next((root / name for name in VAL if (root / name).is_dir()), None)
    flat = val is not None and any(VALIDATION_PICTURE.fullmatch(name) for name in pictures_in(val, Counter()))
    if folder is None:
        if flat:
            raise DataError(
                f"{printable(val)}: a flat validation folder, whose labels only the development kit knows; "
                f"unpack ILSVRC2012_devkit_t12.tar.gz below {printable(root)}, or say where it is with --devkit"
            )
        return None
    kit = read_kit(folder)
    train = next((root / name for name in TRAIN if (root / name).is_dir() and _has_wnids(root / name)), None)
    if train is None:
        raise DataError(f"{printable(root)}: no folders by wnid (n01440764 and so on) in it, in train or ILSVRC2012_img_train")
    if val is None:
        raise DataError(f"{printable(root)}: no validation folder in it (val or ILSVRC2012_img_val)")
    ignored: Counter[str] = Counter()
    notices: list[str] = []
    train_part, present = _by_wnid(root, train, kit, ignored)
    if len(present) < len(kit.wnids):
        absent = [wnid for wnid in kit.wnids if wnid not in present]
        notices.append(f"training pictures of {len(present)} of {len(kit.wnids)} classes; none of {some(absent)}")
    if len(train_part) < sum(kit.sizes):
        notices.append(f"{len(train_part):,} of the {sum(kit.sizes):,} training pictures are here")
    val_part = _flat_validation(root, val, kit, ignored) if flat else _by_wnid(root, val, kit, ignored)[0]
    if len(val_part) < len(kit.val_labels):
        notices.append(f"{len(val_part):,} of the {len(kit.val_labels):,} validation pictures are here")
    notices += [f"ignored: {some(f'{count} {what}' for what, count in sorted(ignored.items()))}"] if ignored else []
    for place, found in ((train, train_part), (val, val_part)):
        if not len(found):
            raise DataError(f"{printable(place)}: no pictures in it")
    return Photos(kit.name, root, kit.classes, kit.wnids, train_part, val_part, tuple(notices))


def kit_folder(where: Path, must: bool) -> Path | None:
    """The folder with meta.mat: `where`, or one or two levels below it. None, or DataError if it must be there."""
    below = sorted(where.glob("*devkit*")) if where.is_dir() else []
    for folder in (where, where / "data", *(path / inner for path in below for inner in ("data", "."))):
        if (folder / "meta.mat").is_file():
            return folder
    if must:
        raise DataError(f"{printable(where)}: no development kit there (data/meta.mat)")
    return None


def read_kit(folder: str | os.PathLike[str]) -> Kit:
    """Reads meta.mat and the validation ground truth in the kit's folder `data`. Raises DataError."""
    meta = Path(folder) / "meta.mat"
    truths = sorted(Path(folder).glob("ILSVRC20??_validation_ground_truth.txt"))
    if len(truths) != 1:
        raise DataError(f"{printable(folder)}: the kit's ILSVRC2012_validation_ground_truth.txt is missing from it")
    ids, wnids, names, sizes = _read_synsets(meta)
    if sorted(ids) != list(range(1, len(ids) + 1)) or len(set(wnids)) != len(wnids) or not all(map(WNID.fullmatch, wnids)):
        raise DataError(f"{printable(meta)}: the classes are not numbered 1, 2, 3, ... with a wnid each; is the file damaged?")
    order = sorted(range(len(wnids)), key=lambda n: wnids[n])
    label = np.zeros(len(ids) + 1, dtype=np.int64)  # of the class that the kit calls id
    for position, n in enumerate(order):
        label[ids[n]] = position
    try:
        truth = np.array(truths[0].read_text(encoding="ascii").split(), dtype=np.int64)
    except (OSError, ValueError):
        raise DataError(f"{printable(truths[0])}: not a list of the kit's numbers") from None
    if len(truth) == 0 or truth.min() < 1 or truth.max() > len(ids):
        raise DataError(f"{printable(truths[0])}: numbers from 1 to {len(ids)} are expected; is the file damaged?")
    return Kit(
        name=truths[0].name[:10],
        wnids=tuple(wnids[n] for n in order),
        classes=tuple(names[n] for n in order),
        sizes=tuple(sizes[n] for n in order),
        val_labels=label[truth],
    )


def _read_synsets(meta: Path) -> tuple[list[int], list[str], list[str], list[int]]:
    """ids, wnids, names and numbers of training pictures of the synsets that are classes: WordNet's leaves, no others."""
    from scipy.io import loadmat  # noqa: PLC0415  slow to import, and only read here

    try:
        synsets = np.atleast_1d(loadmat(meta, variable_names=["synsets"], squeeze_me=True)["synsets"])
        id_field = next(field for field in synsets.dtype.names or () if field.endswith("_ID"))
        leaves = [synset for synset in synsets if int(synset["num_children"]) == 0]
        return (
            [int(synset[id_field]) for synset in leaves],
            [str(synset["WNID"]) for synset in leaves],
            [str(synset["words"]) for synset in leaves],
            [int(synset["num_train_images"]) for synset in leaves],
        )
    except Exception as error:  # a damaged file makes loadmat raise whatever its first wrong byte leads to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{printable(meta)}: not the kit's table of classes, or damaged ({reason})") from None


def _has_wnids(folder: Path) -> bool:
    return any(WNID.fullmatch(name) for name in folders(folder, Counter()))


def _by_wnid(root: Path, folder: Path, kit: Kit, ignored: Counter[str]) -> tuple[Part, set[str]]:
    files = classes_of(folder, ignored)
    others = sum(1 for key in files if key not in kit.wnids)
    if others and folder != root:
        ignored["folders that are no classes of the kit"] += others
    chosen = {wnid: files.get(wnid, ("", []))[1] for wnid in kit.wnids}
    return part(root, folder, files, chosen), {wnid for wnid, names in chosen.items() if names}


def _flat_validation(root: Path, folder: Path, kit: Kit, ignored: Counter[str]) -> Part:
    """The number in a picture's name is its place in the ground truth, so that a missing one shifts no other."""
    if _has_wnids(folder):
        raise DataError(f"{printable(folder)}: pictures lie beside folders by wnid; were only some of them moved?")
    paths, labels = [], []
    for name in pictures_in(folder, ignored):
        match = VALIDATION_PICTURE.fullmatch(name)
        if not match:
            ignored["pictures without a number in val"] += 1
            continue
        number = int(match[1])
        if not 1 <= number <= len(kit.val_labels):
            raise DataError(f"{printable(folder / name)}: the kit knows validation pictures 1 to {len(kit.val_labels)}")
        paths.append(os.path.normpath(os.path.join(os.path.relpath(folder, root), name)))
        labels.append(kit.val_labels[number - 1])
    return Part(tuple(paths), np.array(labels, dtype=np.int64))
