"""Real documents for tests: a PDF with text, the same as a scan, and hostile relatives."""
import io
import pathlib
import struct
import sys
import zipfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "dev"))

from main_job import LETTER, make_pdf, make_scan  # noqa: E402,F401


def letter_pdf():
    return make_pdf(LETTER)


def letter_scan():
    return make_scan(letter_pdf())


def png(width, height, row=None):
    """A grey PNG of that size; rows are all the same, so a huge one stays small on disk."""
    def chunk(kind, data):
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    line = b"\0" + (row or b"\xff" * width)
    data = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def docx(paragraphs, document_size=None):
    """A Word document; with a size, its text unpacks to that many bytes (a zip bomb)."""
    body = "".join(f"<w:p><w:r><w:t>{p}</w:t></w:r></w:p>" for p in paragraphs)
    xml = ('<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
           f"<w:body>{body}").encode()
    end = b"</w:body></w:document>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        z.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>')
        with z.open("word/document.xml", "w", force_zip64=True) as f:
            f.write(xml)
            left = (document_size or 0) - len(xml) - len(end)
            while left > 0:
                part = b"<w:p><w:r><w:t>bomb</w:t></w:r></w:p>" * 30000
                f.write(part)
                left -= len(part)
            f.write(end)
    return out.getvalue()
