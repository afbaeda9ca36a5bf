"""What turns the repository's Markdown, which GitHub reads, into the site's: README is the first page, and a few rules of GitHub's are spelled out."""
import pathlib
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[1]
#: Files outside docs/ that pages link to, and pages made of files outside docs/.
BESIDE = ["demo/demo.sql"]
PAGES = {"index.md": "README.md", "CHANGELOG.md": "CHANGELOG.md"}


def on_files(files, config):
    """Adds the pages that lie outside docs/."""
    for target, source in PAGES.items():
        files.append(File.generated(config, target, content=re.sub(r"\]\(docs/", "](", (ROOT / source).read_text())))
    for path in BESIDE:
        files.append(File.generated(config, path, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown, **_):
    """A list may follow a paragraph without an empty line, and a pipe within a table's code is escaped: so GitHub reads them."""
    # README is the first page here.
    markdown = re.sub(r"\]\(((?:\.\./)*)\.\./README\.md", r"](\1index.md", markdown)
    lines, fenced = [], False
    for line in markdown.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced:
            above = lines[-1] if lines else ""
            if re.match(r"(- |\d+\. )", line) and above.strip() and not re.match(r"(- |\d+\. |\s)", above):
                lines.append("")
            if line.startswith("|"):
                line = re.sub(r"`[^`]*`", lambda code: code[0].replace("\\|", "|"), line)
        lines.append(line)
    return "\n".join(lines)
