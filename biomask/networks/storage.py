"""Models on disk: one `.keras` file with mask, names and digests, checked before it is opened."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import keras

from biomask import __version__
from biomask.errors import BiomaskError, ModelError, StorageError
from biomask.hdf5 import copy_weights
from biomask.networks import (  # noqa: F401  their classes must be registered to be loaded
    autoencoder,
    deep,
    heads,
    replicates,
)
from biomask.networks.layers import OTHER_MASK, MaskedDense
from biomask.storage import check_manifest, read_zip, unzip, write_zip

SCHEMA = 1  # of the file; raised when an older biomask could no longer read it
_KIND = "biomask model"
_WEIGHTS = "model.weights.h5"
_MEMBERS = {"config.json", "metadata.json", _WEIGHTS}
_VALUES = {"__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"}
# Keras classes that run code, or read files, that their configuration names. Keras' safe mode
# refuses them too, but for flaws of its own.
_FORBIDDEN = {
    "FlaxLayer",
    "IndexLookup",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
}
_UNNAMED = {"config", "layers", "compile_config"}  # left out where a place is named
_OWN_CODE = (
    "It runs no code but Keras' and biomask's: compile with a loss, metrics and an optimizer of "
    "Keras, each by name ('binary_crossentropy') or as an object of its class, and build the model "
    "of their layers. Or keep it with model.save, for keras.saving.load_model with your code."
)


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write the model, with its masks, names and optimizer state, to one `.keras` file.

    The file is an ordinary Keras file with a manifest of sha256 digests beside. It replaces `path`
    in one step; when anything fails, the old file stays as it was. `load_model` reads whatever is
    saved, since what it would refuse is refused here.

    Parameters
    ----------
    model : keras.Model
    path : path ending in ``.keras``

    Raises
    ------
    StorageError
        The name does not end in ``.keras``, or the file cannot be written.
    ModelError
        The model holds code of your own, such as a loss function or a layer, or Keras itself
        cannot save it.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise StorageError(
            "a model is saved to a name that ends in .keras",
            code="E-SUFFIX",
            file=path,
            hint=f"Use {path.with_suffix('.keras').name}.",
        )
    _refuse(_own_activations(model), path)
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder, "model.keras")
            keras.saving.save_model(model, plain)
            members = unzip(plain)
            config = json.loads(members["config.json"])
            _refuse((f"{name} ({place})" for name, place in _foreign(config)), path)
            _check_rebuilds(plain)
    except BiomaskError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(
                f"Keras cannot write the model to the temporary folder: {error.strerror or error}",
                code="E-WRITE",
                file=path,
                hint="Check that the folder of temporary files has space.",
            ) from error
        raise ModelError(
            f"Keras cannot save the model so that it can be loaded: {error}",
            code="E-OWN-CODE",
            file=path,
            hint=_OWN_CODE,
        ) from error
    metadata = json.loads(members["metadata.json"])
    metadata.pop("date_saved", None)  # the same model gives the same bytes
    members["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    config = _settled(json.loads(members["config.json"]), {})
    members["config.json"] = json.dumps(config).encode()
    masks = {x.name: x.mask.digest for x in model.layers if isinstance(x, MaskedDense)}
    manifest = {
        "kind": _KIND,
        "schema": SCHEMA,
        "biomask": __version__,
        "keras": keras.__version__,
        "masks": masks,
    }
    write_zip(path, members, manifest)


def _refuse(own: Iterable[str], path: Path) -> None:
    """Refuse to save what `load_model` would refuse to read."""
    own = [name.removeprefix("None.").removeprefix("builtins.") for name in dict.fromkeys(own)]
    if own:
        raise ModelError(
            f"load_model would refuse these parts of the model: {', '.join(own)}",
            code="E-OWN-CODE",
            file=path,
            hint=_OWN_CODE,
        )


def _own_activations(model: keras.Model) -> Iterator[str]:
    """Activation functions of the user, of which Keras writes a name that may be one of its own."""
    for layer in model._flatten_layers():
        for key in ("activation", "recurrent_activation"):
            function = getattr(layer, key, None)
            home = str(getattr(function, "__module__", "")).partition(".")[0]
            if callable(function) and home not in {"biomask", "keras", "tensorflow"}:
                yield f"{getattr(function, '__name__', function)} ({layer.name}.{key})"


def _check_rebuilds(plain: Path) -> None:
    """Load it as another process would: in a thread, which has no scope or setting of the user."""
    state = random.getstate()  # initial weights are drawn from it, and written over
    try:
        with warnings.catch_warnings(), ThreadPoolExecutor(1) as pool:
            warnings.simplefilter("ignore")
            pool.submit(keras.saving.load_model, plain, safe_mode=True).result()
    finally:
        random.setstate(state)


def _settled(node, numbers: dict[int, int]):
    """The configuration without addresses in memory, which Keras uses to tell objects apart."""
    if isinstance(node, list):
        return [_settled(item, numbers) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _settled(item, numbers) for key, item in node.items()}
    address = node.pop("shared_object_id", None)
    if address is not None and node.get("class_name") != "DTypePolicy":  # a value: none shares it
        node["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
    return node


def load_model(path: str | Path) -> keras.Model:
    """Read what `save_model` wrote: the model, compiled, with its masks and names.

    Nothing in the file is run: every member is checked against its sha256, only Keras' and
    biomask's own classes are allowed, and Keras' safe mode is always on.

    Raises
    ------
    StorageError
        No such file, damaged, altered, not written by `save_model`, written by a newer biomask,
        or asking for a class that is not allowed.
    ModelError
        The weights belong to another mask.
    """
    if h5py.is_hdf5(path) and not zipfile.is_zipfile(path):  # the weights inside are HDF5, too
        raise StorageError(
            "this is an HDF5 file: a model in it can hold code that runs when it is loaded",
            code="E-HDF5",
            file=path,
            hint="Where you trust it, open it with keras.saving.load_model and save it again with "
            "biomask.save_model.",
        )
    manifest, members = read_zip(path)
    check_manifest(manifest, path, kind=_KIND, schema=SCHEMA, written_by=manifest.get("biomask"))
    if members.keys() != _MEMBERS:
        raise StorageError(
            f"a model holds {sorted(_MEMBERS)}, this file {sorted(members)}",
            code="E-UNSAFE",
            file=path,
            hint="biomask did not write this.",
        )
    try:
        config = json.loads(members["config.json"])
        json.loads(members["metadata.json"])
        foreign = next(_foreign(config), None)
    except (ValueError, RecursionError) as error:
        raise StorageError(
            f"the model inside is damaged: {error}",
            code="E-MODEL-FILE",
            file=path,
            hint="Write it again with biomask.save_model.",
        ) from error
    if foreign is not None:
        raise StorageError(
            f"the model asks for {foreign[0]}, which is not a class that biomask loads",
            code="E-UNSAFE",
            file=path,
            hint="Do not trust where this file came from. If it is your own layer, use "
            "keras.saving.load_model.",
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder, _WEIGHTS)
            copy_weights(members.pop(_WEIGHTS), weights, path)
            plain = Path(folder, "model.keras")  # a copy of exactly what was checked
            with zipfile.ZipFile(plain, "w") as archive:
                archive.write(weights, _WEIGHTS)
                for name, content in members.items():
                    archive.writestr(name, content)
            return _rebuilt(plain, path)
    except OSError as error:
        raise StorageError(
            f"cannot copy the model to the temporary folder: {error.strerror or error}",
            code="E-READ",
            file=path,
            hint="Check that the folder of temporary files exists and has space.",
        ) from error


def _rebuilt(plain: Path, path: str | Path) -> keras.Model:
    """The model in the checked file `plain`; errors name `path`."""
    try:
        return keras.saving.load_model(plain, safe_mode=True)
    except BiomaskError:
        raise
    except Exception as error:
        for line in str(error).splitlines():  # Keras lists the errors of layers in its own
            if OTHER_MASK in line:
                raise ModelError(line.strip(), code=OTHER_MASK, file=path) from error
        raise StorageError(
            f"Keras cannot rebuild the model: {error}",
            code="E-MODEL-FILE",
            file=path,
            hint="Restore it from a copy; if another Keras wrote it, try that version.",
        ) from error


def _foreign(node, place: str = "") -> Iterator[tuple[str, str]]:
    """What a configuration names but harmless Keras classes and biomask's own, and where."""
    if isinstance(node, list):
        for item in node:
            yield from _foreign(item, place)
    if isinstance(node, str) and ">" in node and _registered(node) and not _own(node):
        yield node, place  # Keras would take what is registered under this name
    if not isinstance(node, dict):
        return
    config = node.get("config")
    if isinstance(config, dict) and "name" in config:
        place = f"{place}.{config['name']}".lstrip(".")
    if node.get("class_name") is not None and not _is_known(node):
        function = f" {config}" if node["class_name"] == "function" else ""
        yield f"{node.get('module')}.{node['class_name']}{function}", place or "model"
        return
    for key, item in node.items():
        yield from _foreign(item, place if key in _UNNAMED else f"{place}.{key}")


def _is_known(node: dict) -> bool:
    """Whether it is a plain value, or of a class of biomask or Keras."""
    module, name = str(node.get("module")), str(node["class_name"])
    label = node.get("registered_name")
    if label == f"biomask>{name}":
        return _own(label)
    if module.partition(".")[0] != "keras":
        return node.get("module") is None and name in _VALUES
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    built_in = isinstance(found, type) and hasattr(found, "from_config")
    return built_in and label in (None, name) and name not in _FORBIDDEN


_registered = keras.saving.get_registered_object


def _own(label: str) -> bool:
    """Whether this is the registered name of a class of biomask."""
    return _registered(label) is not None and _registered(label).__module__.startswith("biomask.")
