"""Builds the wheel and the source archive (PEP 517). The same sources give the same bytes on every machine.

A wheel of a package without dependencies and scripts is a zip file with three documents beside the sources, so no tool
has to be downloaded to build it.
"""

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from pathlib import Path

_ROOT = Path(__file__).parent
_PACKAGE = _ROOT / "lambda_tokenizer"
_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Write the wheel into a directory and return its name."""
    info = f"lambda_tokenizer-{_version()}.dist-info"
    files = {f"lambda_tokenizer/{path.name}": path.read_bytes() for path in _sources()}
    files[f"{info}/METADATA"] = _metadata()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: build_backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    name = f"lambda_tokenizer-{_version()}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, _TIME)
            entry.external_attr, entry.compress_type = 0o100644 << 16, zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return name


def build_sdist(sdist_directory, config_settings=None):
    """Write the source archive into a directory and return its name."""
    base = f"lambda_tokenizer-{_version()}"
    files = {f"lambda_tokenizer/{path.name}": path.read_bytes() for path in _sources()}
    files |= {name: (_ROOT / name).read_bytes() for name in ("pyproject.toml", "build_backend.py")}
    files["PKG-INFO"] = _metadata()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{base}/{path}")
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    (Path(sdist_directory) / f"{base}.tar.gz").write_bytes(gzip.compress(archive.getvalue(), mtime=0))
    return f"{base}.tar.gz"


def _sources():
    return sorted(path for path in _PACKAGE.iterdir() if path.suffix == ".py" or path.name == "py.typed")


def _version():
    return re.search(r'^__version__ = "(.+)"$', (_PACKAGE / "__init__.py").read_text("utf-8"), re.MULTILINE)[1]


def _metadata():
    return (
        f"Metadata-Version: 2.4\nName: lambda-tokenizer\nVersion: {_version()}\n"
        f"Summary: {_project('description')}\nLicense-Expression: {_project('license')}\n"
        f"Requires-Python: {_project('requires-python')}\n"
    ).encode()


def _project(member):
    return re.search(rf'^{member} = "(.+)"$', (_ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1]


def _digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
