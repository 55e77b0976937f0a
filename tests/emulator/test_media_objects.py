"""What lies in a bucket stays in it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from emulator.live import LiveInThread
from emulator.live.objects import DRAFTS, Objects, Outside
from emulator.media.flv import Writer


@given(
    st.text(max_size=12), st.text(max_size=20) | st.sampled_from(["../x", "a/../../b", "/etc/x"])
)
@example("/", "etc")
def test_no_name_is_ever_outside_its_bucket(bucket: str, key: str) -> None:
    try:
        path = Objects(Path("/srv/buckets")).path(bucket, key)
    except Outside:
        return
    assert path.is_relative_to(f"/srv/buckets/{bucket}")
    assert path.parent.is_relative_to(f"/srv/buckets/{bucket}")


def test_no_object_is_written_over(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    for name in ("a.flv", "a-2.flv"):
        objects.keep(drawn(objects), "bucket", name)
    assert objects.free_key("bucket", "a.flv") == "a-3.flv"
    assert objects.free_key("bucket", "b.flv") == "b.flv"


def drawn(objects: Objects) -> Path:
    draft = objects.draft()
    draft.parent.mkdir(exist_ok=True)
    draft.touch()
    return draft


def test_a_draft_left_by_another_run_is_not_written_over(tmp_path: Path) -> None:
    assert drawn(Objects(tmp_path)) != drawn(Objects(tmp_path))


def test_two_stand_ins_never_begin_the_same_draft(tmp_path: Path) -> None:
    assert Objects(tmp_path).draft() != Objects(tmp_path).draft()


def test_drafts_that_nobody_writes_any_more_are_removed_when_a_stand_in_starts(
    tmp_path: Path,
) -> None:
    abandoned = drawn(Objects(tmp_path))
    written = Writer(Objects(tmp_path).draft())
    with LiveInThread(buckets=tmp_path):
        assert list((tmp_path / DRAFTS).iterdir()) == [written.path]
    written.close()
    with LiveInThread(buckets=tmp_path):
        assert not abandoned.exists()
        assert not written.path.exists()


def test_a_stand_in_starts_without_a_folder_of_drafts(tmp_path: Path) -> None:
    with LiveInThread(buckets=tmp_path / "buckets"):
        assert not (tmp_path / "buckets").exists()
