"""A folder of an S3 that is kept and put back, by requests side by side and only where something differs."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from millrace.storage import s3, uploads

_TOGETHER = 8


class Bucket:
    """The objects below a URI."""

    def __init__(self, uri: str) -> None:
        self._bucket, _, self._prefix = s3.path_of(uri).partition("/")
        self._client = uploads.client(uri)

    def objects(self) -> dict[str, str]:
        """Each object's key below the URI, and its ETag; the empty objects that stand for folders are left out."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{self._prefix}/")
        found = [entry for page in pages for entry in page.get("Contents", ())]
        named = {entry["Key"][len(self._prefix) + 1 :]: entry["ETag"].strip('"') for entry in found}
        return {key: tag for key, tag in named.items() if key and not key.endswith("/")}

    def keep(self, folder: Path) -> None:
        """Copy every object into a folder."""
        folder.mkdir(parents=True, exist_ok=True)

        def fetch(key: str) -> None:
            file = folder / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self._client.get_object(**self._at(key))["Body"].read())

        _each(fetch, self.objects())

    def put_back(self, folder: Path) -> None:
        """What ``keep`` copied, and no other object; uploads that nobody completed are given up."""
        there = self.objects()
        kept = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
        uploaded = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=f"{self._prefix}/")
        for upload in uploaded.get("Uploads", ()):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        _each(lambda key: self._client.delete_object(**self._at(key)), there.keys() - kept.keys())

        def put(key: str) -> None:
            data = kept[key].read_bytes()
            if there.get(key) not in _etags(data):
                self._client.put_object(**self._at(key), Body=data)

        _each(put, kept)

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{key}"}


def _etags(data: bytes) -> set[str]:
    """The ETag of an object that was put whole, and of one that was uploaded in one part."""
    whole = hashlib.md5(data)
    return {whole.hexdigest(), f"{hashlib.md5(whole.digest()).hexdigest()}-1"}


def _each(do: Callable[[str], object], keys: Iterable[str]) -> None:
    with ThreadPoolExecutor(_TOGETHER) as pool:
        list(pool.map(do, list(keys)))
