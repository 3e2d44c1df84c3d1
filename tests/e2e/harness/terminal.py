"""A program in a pseudo-terminal, and what a person would see there: as much of a VT100 as ncurses makes use of."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from harness import wait

SEQUENCE = re.compile(rb"\x1b(?:\[([?0-9;]*)([A-Za-z@])|[()].|[=>78M])|([\x00-\x1f\x7f])|([^\x00-\x1f\x7f]+)", re.S)


class Screen:
    def __init__(self, rows, cols):
        self.rows, self.cols, self.row, self.col = rows, cols, 0, 0
        self.cells = [[" "] * cols for _ in range(rows)]
        self.marked = [[False] * cols for _ in range(rows)]
        self.reverse, self.pending = False, b""

    def feed(self, data):
        data, self.pending = self.pending + data, b""
        cut = data.rfind(b"\x1b")
        if cut >= 0 and not SEQUENCE.match(data, cut):
            data, self.pending = data[:cut], data[cut:]
        for found in SEQUENCE.finditer(data):
            arguments, final, control, text = found.groups()
            if text:
                for char in text.decode("latin-1"):
                    self.put(char)
            elif control:
                self.control(control)
            elif final:
                self.sequence([int(n or 0) for n in arguments.lstrip(b"?").split(b";")], final.decode())

    def put(self, char):
        if self.col == self.cols:
            self.col, self.row = 0, min(self.row + 1, self.rows - 1)
        self.cells[self.row][self.col] = char
        self.marked[self.row][self.col] = self.reverse
        self.col += 1

    def control(self, byte):
        if byte == b"\r":
            self.col = 0
        elif byte == b"\n":
            self.row = min(self.row + 1, self.rows - 1)
        elif byte == b"\b":
            self.col = max(self.col - 1, 0)
        elif byte == b"\t":
            self.col = min(self.col // 8 * 8 + 8, self.cols - 1)

    def sequence(self, n, final):
        count = max(n[0], 1)
        if final == "H":
            n = (n + [1])[:2] if len(n) < 2 else n
            self.row, self.col = min(max(n[0], 1), self.rows) - 1, min(max(n[1], 1), self.cols) - 1
        elif final == "J":
            self.erase_line(0)
            for row in range(self.row + 1 if n[0] == 0 else 0, self.rows):
                self.clear(row, 0, self.cols)
        elif final == "K":
            self.erase_line(n[0])
        elif final == "m":
            self.reverse = 7 in n or (self.reverse and 0 not in n and 27 not in n)
        elif final in "ABCD":
            self.row = min(max(self.row + {"A": -count, "B": count}.get(final, 0), 0), self.rows - 1)
            self.col = min(max(self.col + {"D": -count, "C": count}.get(final, 0), 0), self.cols - 1)

    def clear(self, row, first, end):
        for col in range(first, end):
            self.cells[row][col], self.marked[row][col] = " ", False

    def erase_line(self, how):
        self.clear(self.row, 0 if how else self.col, self.col + 1 if how == 1 else self.cols)

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def marked_line(self):
        for line, marked in zip(self.lines(), self.marked):
            if any(marked):
                return line
        return None


class Terminal:
    """A program with a terminal of its own; .see() waits for a text on its screen."""

    def __init__(self, command, environment, rows=30, cols=100):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], [str(part) for part in command], environment)
        self.screen = None
        self.resize(rows, cols)

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.screen = Screen(rows, cols)

    def read(self, seconds=0.1):
        if not select.select([self.fd], [], [], seconds)[0]:
            return
        try:
            self.screen.feed(os.read(self.fd, 65536))
        except OSError:  # the program has ended
            time.sleep(seconds)

    def text(self):
        return "\n".join(self.screen.lines())

    def see(self, wanted, seconds=10):
        """Until the pattern is on the screen; the screen's text."""
        end = time.monotonic() + seconds * wait.PATIENCE
        while not re.search(wanted, self.text(), re.M):
            assert time.monotonic() < end, f"no {wanted!r} on the screen:\n{self.text()}"
            self.read()
        return self.text()

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def end(self, seconds=10):
        """Its exit code, when it has ended by itself."""
        end = time.monotonic() + seconds * wait.PATIENCE
        while time.monotonic() < end:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
            self.read()
        raise AssertionError(f"still running after {seconds} s:\n{self.text()}")

    def close(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def kill(self):
        self.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
