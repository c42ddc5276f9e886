"""The WebSocket server and a page in headless Chromium.

    browser.py WEBSOCKET_ECHO CHROMIUM PAGE_FOLDER
"""

import http.server
import os
import subprocess
import sys
import tempfile

import server

MOST_SECONDS = 120
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")


class Report(http.server.BaseHTTPRequestHandler):
    """Takes the one request by which the page tells what it found."""

    timeout = MOST_SECONDS
    text = None

    def do_POST(self):
        Report.text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    program, chromium, page = map(os.path.abspath, sys.argv[1:])
    with server.running(program, f"--root={page}") as (address, _), \
            http.server.HTTPServer(("127.0.0.1", 0), Report) as reports, \
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        reports.timeout = MOST_SECONDS
        with open(os.path.join(profile, "log"), "wb") as log:
            browser = subprocess.Popen(
                [chromium, *FLAGS, f"--user-data-dir={profile}/data",
                 f"http://{address}/?report={reports.server_port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            try:
                reports.handle_request()  # one, or none in time
            finally:
                os.killpg(browser.pid, 9)  # its helpers too
                browser.wait()
        if Report.text is None:
            with open(os.path.join(profile, "log"), encoding="utf-8", errors="replace") as log:
                print(log.read()[-4000:])
    print("the page says:", Report.text)
    assert Report.text == "messages close many fetch done"


main()
