"""The lab's own certificate authority, and the certificates that its gateway shows: good ones and bad ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsteward.lab.folder import LabFolder, write_private

_DAY = timedelta(days=1)


def make_authority(folder: LabFolder) -> None:
    """A root and an intermediate authority, in `tls/`."""
    folder.tls.mkdir(exist_ok=True, mode=0o700)
    for name, issuer in (("root", "root"), ("intermediate", "root")):
        _make(folder, name, issuer=issuer, authority=True, names=())


def issue(
    folder: LabFolder,
    *,
    names: tuple[str, ...] = ("localhost", "127.0.0.1"),
    days: float = 90.0,
    began_days_ago: float = 1.0,
    self_signed: bool = False,
    with_chain: bool = True,
) -> None:
    """The certificate that the gateway shows from its next connection on; it ends in `days` (below 0: has ended)."""
    issuer = "server" if self_signed else "intermediate"
    _make(folder, "server", issuer=issuer, authority=False, names=names, days=days, began_days_ago=began_days_ago)
    if with_chain and not self_signed:
        path = folder.tls / "server.pem"
        write_private(path, path.read_text() + (folder.tls / "intermediate.pem").read_text())


def root(folder: LabFolder) -> str:
    """The certificate to trust, as PEM."""
    return (folder.tls / "root.pem").read_text()


def _make(
    folder: LabFolder,
    name: str,
    *,
    issuer: str,
    authority: bool,
    names: tuple[str, ...],
    days: float = 365.0,
    began_days_ago: float = 1.0,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lab {name}")])
    signer, signer_name = key, subject
    if issuer != name:
        loaded = serialization.load_pem_private_key((folder.tls / f"{issuer}.key").read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
        signer_name = x509.load_pem_x509_certificate((folder.tls / f"{issuer}.pem").read_bytes()).subject
    ends = datetime.now(UTC) + days * _DAY
    began = min(datetime.now(UTC) - began_days_ago * _DAY, ends - _DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), False)
    certificate = builder.sign(signer, hashes.SHA256())
    write_private(folder.tls / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM).decode())
    write_private(Path(folder.tls / f"{name}.key"), _pem(key))


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
