"""Signed URLs under which a client fetches an object itself: S3's own, or those of a CloudFront distribution."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from boto3.session import Session
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from registry.storage.base import URL_SECONDS
from registry.storage.s3_client import new_client
from registry.storage_url import CloudFront, S3Location


class Signer(Protocol):
    """Makes URLs that hold for URL_SECONDS. It may block: credentials are renewed on the way."""

    def url(self, name: str) -> str:
        """Return where the object of this name is fetched."""

    def close(self) -> None:
        """Release what the signer holds."""


def new_signer(session: Session, location: S3Location) -> Signer:
    """Return what the location asks for. Raise ValueError where CloudFront's key can't be used."""
    return CloudFrontUrls(location.cloudfront) if location.cloudfront else PresignedUrls(session, location)


class PresignedUrls:
    """S3's presigned URLs (AWS Signature Version 4 by query parameters)."""

    def __init__(self, session: Session, location: S3Location) -> None:
        self._bucket = location.bucket
        self._client = new_client(session, location, endpoint=location.public_endpoint)

    def url(self, name: str) -> str:
        """See Signer."""
        # No type of S3's own making: whoever opens the URL in a browser gets a download, as from the registry itself.
        parameters = {"Bucket": self._bucket, "Key": name, "ResponseContentType": "application/octet-stream"}
        return self._client.generate_presigned_url("get_object", parameters, ExpiresIn=URL_SECONDS)

    def close(self) -> None:
        """See Signer."""
        self._client.close()


class CloudFrontUrls:
    """Signed URLs of Amazon CloudFront with a canned policy, of a distribution whose origin is the bucket."""

    def __init__(self, cloudfront: CloudFront) -> None:
        self._base = cloudfront.url
        key = _rsa_key(cloudfront.key_file)

        def sign(message: bytes) -> bytes:
            # The only hash of CloudFront's signed URLs (its developer guide, “Code and examples for creating a signature”).
            return key.sign(message, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303

        self._signer = CloudFrontSigner(cloudfront.key_id, sign)

    def url(self, name: str) -> str:
        """See Signer."""
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=URL_SECONDS)
        return self._signer.generate_presigned_url(f"{self._base}/{quote(name)}", date_less_than=until)

    def close(self) -> None:
        """See Signer."""


def _rsa_key(file: Path) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except TypeError as error:
        raise ValueError(f"cloudfront_key_file {file} is encrypted; give one that isn't") from error
    except OSError as error:
        raise ValueError(f"cloudfront_key_file {file} can't be read: {error.strerror}") from error
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    raise ValueError(f"cloudfront_key_file {file} holds no RSA key, the only kind that boto3 signs with")
