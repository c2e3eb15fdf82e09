"""Exports in object storage, against a server that speaks the S3 API on a socket."""

from __future__ import annotations

import hashlib

import boto3
import pytest
from django.urls import reverse
from moto.server import ThreadedMotoServer

from reviewapp.models import Export, ExportState
from reviewapp.models.filters import Filter
from reviewapp.pure.buckets import Bucket
from reviewapp.stages import export
from tests.factories import NOW, make_interaction


@pytest.fixture(scope="module")
def server():
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def storage(server, settings, monkeypatch):
    """A bucket, and the keys as any program of the S3 API takes them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "storing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    settings.EXPORTS_BUCKET = Bucket.of(f"s3://kept/files?endpoint={server}&region=us-east-1")
    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    client.create_bucket(Bucket="kept")
    yield client
    for item in client.list_objects_v2(Bucket="kept").get("Contents", []):
        client.delete_object(Bucket="kept", Key=item["Key"])
    client.delete_bucket(Bucket="kept")


def make(admin) -> Export:
    make_interaction(project=admin.project)
    asked = export.start_export(actor=admin, format="jsonl", wanted=Filter(), now=NOW)
    Export.objects.filter(pk=asked.pk).update(created_at="2100-01-01T00:00:00Z")
    export.make_export(export_id=asked.pk)
    return Export.objects.get(pk=asked.pk)


def test_a_finished_file_goes_to_the_bucket_and_leaves_the_workers_disk(storage, admin):
    made = make(admin)

    assert made.state == ExportState.DONE, made.error
    [item] = storage.list_objects_v2(Bucket="kept")["Contents"]
    assert item["Key"] == f"files/{admin.project.pk}/{made.pk}/{made.file_name}"
    assert item["Size"] == made.bytes
    assert not export.folder_of(made).exists()


def test_any_web_host_gives_the_file_out_as_it_was_sealed(storage, admin, client):
    made = make(admin)
    client.force_login(admin.person)

    answer = client.get(reverse("export-download", args=[made.pk]))

    assert hashlib.sha256(b"".join(answer.streaming_content)).hexdigest() == made.sha256
    assert made.file_name in answer.headers["Content-Disposition"]


def test_a_bucket_that_is_not_there_fails_the_export_with_the_reason(storage, admin, settings, server):
    settings.EXPORTS_BUCKET = Bucket.of(f"s3://missing?endpoint={server}&region=us-east-1")

    made = make(admin)

    assert made.state == ExportState.FAILED
    assert made.error == "The file can't be written: the object storage refuses it (S3UploadFailedError)."
    assert not export.folder_of(made).exists()


def test_a_file_that_is_gone_from_the_bucket_is_not_found(storage, admin, client):
    made = make(admin)
    storage.delete_object(Bucket="kept", Key=f"files/{admin.project.pk}/{made.pk}/{made.file_name}")
    client.force_login(admin.person)

    assert client.get(reverse("export-download", args=[made.pk])).status_code == 404
    assert export.open_file(export=made) is None


def test_without_a_bucket_files_stay_in_the_data_folder(admin, settings):
    settings.EXPORTS_BUCKET = None

    made = make(admin)

    assert export.file_of(made).is_file()


@pytest.mark.parametrize(
    "address",
    [
        "https://bucket",
        "s3://",
        "s3://A",
        "s3://key:secret@bucket",
        "s3://bucket?endpoint=minio",
        "s3://bucket?x=1",
    ],
)
def test_a_wrong_address_of_a_bucket_is_told_with_the_form(address):
    with pytest.raises(ValueError, match="write"):
        Bucket.of(address)
