"""Take the README's picture from a running demo.

    make run                                          # in another terminal; then, with the link it prints:
    .venv/bin/python docs/images/make.py http://127.0.0.1:8000/accounts/link/…/

Writes docs/images/interactions.png: the list with a preview, 1440 by 900, light, in at most 256 colours.
"""

from __future__ import annotations

import base64
import struct
import sys
import zlib
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
CHROMIUM = next((p for p in map(Path, ("/usr/bin/chromium", "/usr/bin/google-chrome")) if p.exists()), None)
SIZE = {"width": 1440, "height": 900}
# Where the pixels come from: Chromium itself decodes the picture it took.
PIXELS = """async (address) => {
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let text = "";
  for (let at = 0; at < data.length; at += 32768)
    text += String.fromCharCode(...data.subarray(at, at + 32768));
  return btoa(text);
}"""


def main(link: str) -> None:
    place = urlsplit(link)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM) if CHROMIUM else None, args=["--no-sandbox"]
        )
        page = browser.new_page(
            base_url=f"{place.scheme}://{place.netloc}", viewport=SIZE, color_scheme="light"
        )
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        page.goto("/interactions/?source=support-bot")
        page.keyboard.press("j")
        page.locator("#preview-body .conversation").wait_for()
        page.wait_for_timeout(500)
        png = shrunk(browser.new_page(), page.screenshot())
        browser.close()
    (HERE / "interactions.png").write_bytes(png)
    sys.stdout.write(f"docs/images/interactions.png, {len(png):,} bytes\n")


def shrunk(page: Page, png: bytes) -> bytes:
    """The same picture with a palette: each colour becomes the nearest of the 256 most frequent ones."""
    address = "data:image/png;base64," + base64.b64encode(png).decode()
    rgba = base64.b64decode(page.evaluate(PIXELS, address))
    pixels = [rgba[at : at + 3] for at in range(0, len(rgba), 4)]
    counted = Counter(pixels)
    palette = [colour for colour, _ in counted.most_common(256)]
    index = {colour: place for place, colour in enumerate(palette)}
    for colour in counted:
        if colour not in index:
            index[colour] = min(range(len(palette)), key=lambda place: distance(palette[place], colour))
    width = SIZE["width"]
    lines = b"".join(
        b"\0" + bytes(index[pixel] for pixel in pixels[at : at + width])
        for at in range(0, len(pixels), width)
    )
    header = struct.pack(">IIBBBBB", width, len(pixels) // width, 8, 3, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"PLTE", b"".join(palette))
        + chunk(b"IDAT", zlib.compress(lines, 9))
        + chunk(b"IEND", b"")
    )


def distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
