"""Programs that people send with: swaks, curl, smtp-source."""
import subprocess
import shutil

import pytest

from harness import mails, wait


def run(*command, timeout=60, **options):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout * wait.PATIENCE,
                          **options)


def test_swaks_from_another_address(guard, postfix):
    g, mark = guard(postfix.inner), mails.marker()
    done = run("swaks", "--server", "127.0.0.1", "--port", g.port, "--local-interface", "127.44.3.2", "--from",
               "a@client.test", "--to", "good@example.test", "--header", f"Subject: {mark}", "--helo", "swaks.test")
    assert done.returncode == 0, done.stdout
    mail = postfix.one_mail(mark)
    assert postfix.client_of(mail) == "127.44.3.2"


def test_swaks_sees_the_backends_refusal(guard, postfix):
    g = guard(postfix.inner)
    done = run("swaks", "--server", "127.0.0.1", "--port", g.port, "--from", "a@client.test", "--to",
               "nobody@example.test", "--helo", "swaks.test")
    assert done.returncode != 0
    assert "550 5.1.1 <nobody@example.test>: Recipient address rejected: User unknown" in done.stdout


def test_curl(guard, postfix, folder):
    g, mark = guard(postfix.inner), mails.marker()
    (folder / "mail").write_bytes(mails.big(mark, 300_000))
    done = run("curl", "--silent", "--show-error", "--max-time", 60, f"smtp://127.0.0.1:{g.port}/curl.test",
               "--mail-from", "a@client.test", "--mail-rcpt", "good@example.test", "--upload-file", folder / "mail")
    assert done.returncode == 0, done.stderr
    assert postfix.one_mail(mark).without_trace() == mails.big(mark, 300_000)


@pytest.mark.parametrize("options", [[], ["-d"]], ids=["a connection each", "one connection for all"])
def test_smtp_source(guard, postfix, options):
    """200 mails over 10 sessions at once: each is taken once."""
    g, mark = guard(postfix.inner), mails.marker()
    done = run("smtp-source", *options, "-s", 10, "-m", 200, "-l", 2000, "-S", mark, "-f", "a@client.test",
               "-t", "good@example.test", f"127.0.0.1:{g.port}", timeout=120)
    assert done.returncode == 0, done.stderr
    wait.until(lambda: len(postfix.with_marker(mark)) == 200, 10, "200 mails")
    assert len(g.journaled("mail", 200, verdict="accepted")) == 200
