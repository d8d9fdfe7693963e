"""Models on disk: one `.keras` file with mask, names and digests, checked before it is opened."""

from __future__ import annotations

import json
import tempfile
import zipfile
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
_MODULES = {
    "keras": keras,
    "keras.constraints": keras.constraints,
    "keras.initializers": keras.initializers,
    "keras.layers": keras.layers,
    "keras.losses": keras.losses,
    "keras.metrics": keras.metrics,
    "keras.models": keras.models,
    "keras.optimizers": keras.optimizers,
    "keras.optimizers.schedules": keras.optimizers.schedules,
    "keras.regularizers": keras.regularizers,
}
_MODELS = {("keras.src.models.functional", "Functional"), ("keras.src.models.model", "Model")}
_VALUES = {"__keras_tensor__", "__numpy__", "__tensor__", "__tuple__"}
# Keras classes that run code, or read files, that their configuration names.
_FORBIDDEN = {
    "FlaxLayer",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
}


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write the model, with its masks, names and optimizer state, to one `.keras` file.

    The file is an ordinary Keras file with a manifest of sha256 digests beside. It replaces `path`
    in one step; when anything fails, the old file stays as it was.

    Parameters
    ----------
    model : keras.Model
    path : path ending in ``.keras``

    Raises
    ------
    StorageError
        The name does not end in ``.keras``, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise StorageError(
            "a model is saved to a name that ends in .keras",
            code="E-SUFFIX",
            file=path,
            hint=f"Use {path.with_suffix('.keras').name}.",
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder, "model.keras")
            keras.saving.save_model(model, plain)
            members = unzip(plain)
    except OSError as error:
        raise StorageError(
            f"Keras cannot write the model to the temporary folder: {error.strerror or error}",
            code="E-WRITE",
            file=path,
            hint="Check that the folder of temporary files has space.",
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
    except (ValueError, RecursionError) as error:
        raise StorageError(
            f"the model inside is damaged: {error}",
            code="E-MODEL-FILE",
            file=path,
            hint="Write it again with biomask.save_model.",
        ) from error
    try:
        _check_classes(config, path)
    except RecursionError as error:
        raise StorageError(
            "the configuration is nested too deeply", code="E-UNSAFE", file=path
        ) from error
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


def _check_classes(node, path: str | Path) -> None:
    """Refuse a configuration that names anything but harmless Keras classes and biomask's own."""
    if isinstance(node, list):
        for item in node:
            _check_classes(item, path)
    if not isinstance(node, dict):
        return
    name, module = node.get("class_name"), node.get("module")
    if name is not None:
        name, module = str(name), module if module is None else str(module)
        home = vars(_MODULES[module]) if module in _MODULES else {}  # not __class__ and the like
        known = isinstance(home.get(name), type) and not name.startswith("_")
        known = (known and name not in _FORBIDDEN) or (module, name) in _MODELS
        plain = module is None and name in _VALUES
        if not (known or plain or _is_own(node)):
            raise StorageError(
                f"the model asks for {module}.{name}, which is not a class that biomask loads",
                code="E-UNSAFE",
                file=path,
                hint="Do not trust where this file came from. If it is your own layer, use "
                "keras.saving.load_model.",
            )
    for item in node.values():
        _check_classes(item, path)


def _is_own(node: dict) -> bool:
    """Whether this is a class that biomask itself registered, and not only called so."""
    label = str(node.get("registered_name"))
    own = keras.saving.get_registered_object(label) if label.startswith("biomask>") else None
    return own is not None and own.__module__ == node.get("module")
