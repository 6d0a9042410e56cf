"""Finished pictures: clips side by side, text on them, files, and the player under a cell."""

from __future__ import annotations

import base64
import contextlib
import html
import os
import sys
from pathlib import Path

import numpy as np

from course_lib.errors import ArgumentError, CourseError, check_count, check_range
from course_lib.render.open import tell


class VideoError(CourseError, OSError):
    """A video that could not be encoded or written."""


class Frames(np.ndarray):
    """Pictures (T, H, W, 3) uint8 that remember `fps`, the rate at which they show real time."""

    fps: float = 30.0

    def __array_finalize__(self, origin):
        self.fps = getattr(origin, "fps", 30.0)


def as_frames(pictures, fps: float) -> Frames:
    """A sequence of pictures (H, W, 3) as `Frames`."""
    frames = np.ascontiguousarray(pictures, dtype=np.uint8).view(Frames)
    frames.fps = float(fps)
    return frames


def montage(videos, titles=None, columns: int | None = None) -> Frames:
    """Several clips (T_i, H, W, 3) side by side, `titles` burnt in; a shorter clip holds its last frame.

    All show the same moment at the same time: clips of fewer pictures a second repeat some.
    """
    videos = list(videos)
    if not videos:
        raise ArgumentError("videos=[] is not accepted; it must hold at least one clip of shape (T, H, W, 3)")
    titles = [""] * len(videos) if titles is None else [str(t) for t in titles]
    if len(titles) != len(videos):
        raise ArgumentError(f"titles has {len(titles)} entries; it must have one for each of the {len(videos)} videos")
    shapes = {np.shape(v)[1:] for v in videos}
    if len(shapes) != 1:
        raise ArgumentError(f"videos have pictures of shapes {sorted(shapes)}; they must all have the same shape")
    columns = min(len(videos), 4 if columns is None else check_count("columns", columns))
    rates = [getattr(v, "fps", 30.0) for v in videos]
    fps = max(rates)
    length = round(max(len(v) / rate for v, rate in zip(videos, rates, strict=True)) * fps)
    blank = np.full_like(np.asarray(videos[0][0]), 255)
    rows = -(-len(videos) // columns)
    pictures = []
    for t in range(length):
        at = [min(int(t * rate / fps + 1e-6), len(v) - 1) for v, rate in zip(videos, rates, strict=True)]
        cells = [write_on(np.asarray(v[k]), s) for v, k, s in zip(videos, at, titles, strict=True)]
        cells += [blank] * (rows * columns - len(cells))
        pictures.append(np.vstack([np.hstack(cells[r * columns : (r + 1) * columns]) for r in range(rows)]))
    return as_frames(pictures, fps)


def write_on(picture: np.ndarray, text: str) -> np.ndarray:
    """`picture` (H, W, 3) with `text` in its top left corner, on a translucent band."""
    if not text:
        return picture
    from matplotlib import font_manager
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(np.asarray(picture))
    size = max(11, picture.shape[0] // 17)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    draw = ImageDraw.Draw(image, "RGBA")
    while size > 8 and draw.textlength(text, font) > picture.shape[1] - 16:
        size -= 1
        font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    box = draw.textbbox((8, 6), text, font)
    draw.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill=(255, 255, 255, 190))
    draw.text((8, 6), text, fill=(20, 30, 45, 255), font=font)
    return np.asarray(image)


def _encoder():
    """mediapy, pointed at the ffmpeg that imageio-ffmpeg ships."""
    import imageio_ffmpeg
    import mediapy

    try:
        mediapy.set_ffmpeg(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise VideoError(
            "No ffmpeg was found, so no video can be encoded; install one with `pip install imageio-ffmpeg` "
            "or `apt-get install -y ffmpeg`"
        ) from None
    return mediapy


def save_video(path, frames, fps: float | None = None, crf: int = 23) -> Path:
    """Write frames (T, H, W, 3) to `path` (.mp4 or .gif) and return it; a failure leaves no half file.

    `fps` is the rate the frames remember by default; `crf` is the quality of H.264, lower is better.
    """
    path = Path(path)
    if path.suffix.lower() not in (".mp4", ".gif"):
        raise ArgumentError(f"path={str(path)!r} is not accepted; its name must end in .mp4 or .gif")
    frames = np.asanyarray(frames)
    whole = frames.dtype.kind in "iu" and (not frames.size or 0 <= frames.min() <= frames.max() <= 255)
    if not whole:
        raise ArgumentError(f"frames of type {frames.dtype} are not accepted; pictures hold whole numbers, 0 to 255")
    frames = as_frames(frames, getattr(frames, "fps", 30.0))
    if frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) == 0:
        raise ArgumentError(f"frames have shape {frames.shape}; accepted: (T, H, W, 3) with T of at least 1")
    mediapy = _encoder()
    rate = float(getattr(frames, "fps", 30.0)) if fps is None else check_range("fps", fps, 0, 1000, open_low=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VideoError(f"path={str(path)!r} cannot be written: {error.strerror}; choose another folder") from None
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix.lower()}")
    how = {"codec": "gif"} if part.suffix == ".gif" else {"codec": "h264", "crf": crf}
    even = np.asarray(frames)[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]  # what yuv420p needs
    try:
        mediapy.write_video(part, even, fps=rate, **how)
        os.replace(part, path)
    except (RuntimeError, OSError) as error:
        raise VideoError(f"path={str(path)!r} could not be written: {str(error).strip().splitlines()[-1]}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def display_video(frames: np.ndarray, fps: float | None = None, title: str = "", crf: int = 25) -> None:
    """Embed frames (T, H, W, 3) in the notebook as H.264; without ffmpeg, a strip of six of them."""
    if not len(frames):
        raise ArgumentError("there is no frame to show; accepted: at least one")
    rate = float(fps or getattr(frames, "fps", 30.0))
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    if not shell:
        print(f"{title or 'Video'} ({len(frames)} frames): show() needs a notebook; elsewhere use save_video().")
        return
    from IPython.display import HTML, Image, display

    try:
        page = video_html(frames, rate, title, crf)
    except (VideoError, RuntimeError) as error:
        tell(f"{error}; six frames are shown instead.")
        display(Image(data=_strip(frames), format="png", alt=f"{title or 'video'}: six frames"))
        return
    display(HTML(page))


def video_html(frames: np.ndarray, fps: float | None = None, title: str = "", crf: int = 25) -> str:
    """Frames (T, H, W, 3) as a player for a page, with the H.264 video in it.

    Raises:
        VideoError, RuntimeError: it could not be encoded.
    """
    rate = float(fps or getattr(frames, "fps", 30.0))
    film = base64.b64encode(_encoder().compress_video(np.asarray(frames), fps=rate, crf=crf)).decode()
    height, width = frames.shape[1:3]
    return (
        f'<figure style="margin:0"><video width="{width}" height="{height}" controls autoplay loop muted '
        f'playsinline aria-label="{html.escape(title or "video of an episode")}" '
        f'src="data:video/mp4;base64,{film}"></video>'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
    )


def _strip(frames: np.ndarray, count: int = 6) -> bytes:
    """PNG of `count` frames, evenly spaced, side by side."""
    import io

    from PIL import Image

    picked = np.asarray(frames)[np.linspace(0, len(frames) - 1, count).astype(int)]
    out = io.BytesIO()
    Image.fromarray(np.hstack(picked[:, ::2, ::2])).save(out, "png", optimize=True)
    return out.getvalue()
