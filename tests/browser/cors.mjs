// attnd called by fetch() from a page of another origin, in Debian's headless Chromium: what the page may read.
//
// The program is named by ATTND_BINARY, the browser by CHROMIUM (/usr/bin/chromium unless given). One line a claim, and
// `N passed, N failed` at the end; exit code 0 or 1.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const patience = Number(process.env.ATTND_PATIENCE ?? 1);
let passed = 0;
let failed = 0;

async function check(claim, action) {
  try {
    await within(30, action(), claim);
    passed++;
    console.log(`ok    ${claim}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${claim}: ${error.message}`);
  }
}

function expect(condition, got) {
  if (!condition) throw new Error(`got ${JSON.stringify(got)}`);
}

async function within(seconds, promise, what) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${seconds} s`)), seconds * 1000 * patience);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** A page server on a free port: its address is another origin than attnd's. */
async function pages() {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end('<!doctype html><title>a page elsewhere</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

/** attnd on a free port. */
async function attnd(...flags) {
  const child = spawn(process.env.ATTND_BINARY, ['--port', '0', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8');
  const address = new Promise((resolve, reject) => {
    child.stderr.on('data', (text) => {
      log += text;
      const match = /listening on "?(http:\/\/127\.0\.0\.1:[0-9]+)/.exec(log);
      if (match) resolve(match[1]);
    });
    child.on('exit', (code) => reject(new Error(`attnd ended with ${code}: ${log}`)));
    child.on('error', reject);
  });
  const stop = async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await within(20, once(child, 'exit'), 'the end of attnd');
    }
    expect(child.exitCode === 0, `exit code ${child.exitCode}: ${log.slice(-500)}`);
  };
  return { address: await within(20, address, 'the start of attnd'), stop, log: () => log };
}

/** What fetch() gives the page: the readable parts of the answer, or the error that the page sees. */
function fetched(page, address, path, options) {
  return page.evaluate(async ({ url, options }) => {
    if (typeof options?.repeat === 'number') {
      options = { ...options, body: `{"inputs": "${'x'.repeat(options.repeat)}"}` };
    }
    try {
      const response = await fetch(url, options);
      return {
        status: response.status,
        type: response.headers.get('Content-Type'),
        timing: response.headers.get('Server-Timing'),
        allow: response.headers.get('Allow'),
        secret: response.headers.get('Set-Cookie'),
        body: await response.json(),
      };
    } catch (error) {
      return { error: error.name };
    }
  }, { url: address + path, options });
}

const json = (body) => ({ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
const SELF = '/v1/attention/self';
const inputs = [[1, 0], [0, 1]];

function isRight(got) {
  expect(got.status === 200 && got.type === 'application/json', got);
  expect(Math.abs(got.body.weights[0][0] - 0.66976154) < 1e-6, got);
}

async function readableAnswers(page, address) {
  await check('a right answer is readable, after a preflight', async () => {
    const got = await fetched(page, address, SELF, json({ inputs }));
    isRight(got);
    expect(got.timing?.includes('compute;dur='), got);
  });
  await check('a Content-Type with a charset is taken', async () => {
    isRight(await fetched(page, address, SELF, {
      method: 'POST', headers: { 'Content-Type': 'application/json; charset=utf-8' }, body: JSON.stringify({ inputs }) }));
  });
  await check('a request with fields of its own passes the preflight', async () => {
    const options = json({ inputs });
    options.headers['X-Request-Id'] = 'page-1';
    isRight(await fetched(page, address, SELF, options));
  });
  await check('a 422 is readable', async () => {
    const got = await fetched(page, address, SELF, json({ inputs: [[1, 2], [3]] }));
    expect(got.status === 422 && got.type === 'application/problem+json' && got.body.pointer === '/inputs/1', got);
  });
  await check('a 400 is readable', async () => {
    const got = await fetched(page, address, SELF, { ...json({}), body: '{"inputs": [[1,' });
    expect(got.status === 400 && got.body.code === 'invalid_json', got);
  });
  await check('a 413 is readable', async () => {
    const got = await fetched(page, address, SELF, { ...json({}), repeat: 3000000 });
    expect(got.status === 413 && got.body.code === 'body_too_large', got);
  });
  await check('a 404 and a 405 are readable, Allow too', async () => {
    const missing = await fetched(page, address, '/v1/nothing');
    expect(missing.status === 404 && missing.body.code === 'not_found', missing);
    const wrong = await fetched(page, address, SELF);
    expect(wrong.status === 405 && wrong.allow?.includes('POST'), wrong);
  });
  await check('a large streamed answer is readable', async () => {
    const rows = Array.from({ length: 600 }, (_, i) => [Math.sin(i), Math.cos(i)]);
    const got = await fetched(page, address, SELF, json({ inputs: rows }));
    expect(got.status === 200 && got.body.weights.length === 600 && got.body.weights[599].length === 600, got.status);
  });
  await check("curl's form type, which needs no preflight, is refused to a page, readably", async () => {
    const got = await fetched(page, address, SELF, {
      method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: JSON.stringify({ inputs }) });
    expect(got.status === 415 && got.body.code === 'unsupported_media_type', got);
  });
}

/** What a page may send to any origin without asking: the answer is opaque, but has the server computed? The log says. */
async function blindRequests(page, service) {
  const body = JSON.stringify({ inputs });
  const sent = await page.evaluate(async ({ url, body }) => {
    const bodies = [new Blob([body]), new Blob([body], { type: 'text/plain' }), body, new URLSearchParams([[body, '']]),
      new TextEncoder().encode(body), new Blob([body], { type: 'application/json' })];
    for (const each of bodies) await fetch(url, { method: 'POST', mode: 'no-cors', body: each }).catch(() => {});
    return bodies.length;
  }, { url: service.address + SELF, body });
  await check('no-cors requests of a page do not make it compute', async () => {
    const posts = () => service.log().split('\n').filter((line) => line.includes(' method=POST '));
    for (let i = 0; i < 100 && posts().length < sent - 1; i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(posts().length >= sent - 1, posts()); // the one of JSON's type need not be sent
    for (const line of posts()) expect(line.includes(' status=415 ') && line.includes(' cors=refused '), line);
  });
}

/** A form needs no script and no permission. */
async function blindForm(page, service, origin) {
  await check('a form on a page does not make it compute', async () => {
    for (const kind of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      await page.setContent(`<form method="post" enctype="${kind}" action="${service.address}${SELF}">
        <input name='{"inputs":[[1,0],[0,1]],"a":"' value='"}'></form>`);
      const [response] = await Promise.all([page.waitForNavigation(), page.evaluate(() => document.forms[0].submit())]);
      expect(response.status() === 415, response.status());
      await page.goto(origin);
    }
  });
}

/** A foreign name that leads here: to the browser the page is of the server's own origin. */
async function rebinding(browser, service) {
  const page = await browser.newPage();
  const port = new URL(service.address).port;
  await check('a name that is pointed to this machine gets a 421', async () => {
    const response = await page.goto(`http://rebind.test:${port}/`);
    expect(response.status() === 421, response.status());
    const got = await fetched(page, `http://rebind.test:${port}`, SELF, json({ inputs }));
    expect(got.status === 421 && got.body.code === 'misdirected_request', got);
  });
  await page.close();
}

async function unreadableAnswers(page, address, why) {
  await check(`${why}: the page gets an error`, async () => {
    for (const options of [json({ inputs }), undefined, { method: 'POST', body: JSON.stringify({ inputs }) }]) {
      const got = await fetched(page, address, options ? SELF : '/livez', options);
      expect(got.error === 'TypeError', got);
    }
  });
}

const profile = await mkdtemp(join(tmpdir(), 'attnd-browser-'));
const { server, origin } = await pages();
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--host-resolver-rules=MAP rebind.test 127.0.0.1', '--disable-component-update', '--disable-sync', '--disable-default-apps'],
});
try {
  const page = await browser.newPage();
  await page.goto(origin);
  for (const [claim, flag] of [['the origin is configured', `http://other.example,${origin}`],
    ['any port of this machine is configured', 'http://127.0.0.1:*'], ['* is configured', '*']]) {
    console.log(`      ${claim}`);
    const service = await attnd('--cors-origin', flag, '--max-body-bytes', '1000000');
    await readableAnswers(page, service.address);
    await check('attnd stops cleanly', service.stop);
  }
  const closed = await attnd();
  await unreadableAnswers(page, closed.address, 'no origin is configured');
  await blindRequests(page, closed);
  await blindForm(page, closed, origin);
  await rebinding(browser, closed);
  await check('attnd stops cleanly', closed.stop);
  const foreign = await attnd('--cors-origin', 'http://other.example');
  await unreadableAnswers(page, foreign.address, 'another origin is configured');
  await check('attnd stops cleanly', foreign.stop);
} finally {
  await browser.close();
  server.close();
  await rm(profile, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
