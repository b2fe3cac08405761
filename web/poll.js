// Asks again and again until there is nothing more to wait for.

const EVERY = 2000;
const HIDDEN = 30000;
const SLOWEST = 60000;

// How long to wait after `failures` errors in a row: what the server asks for, else twice as long each time.
function backoff(problem, failures) {
  if (problem.retryAfter !== null && problem.retryAfter !== undefined) return Math.max(problem.retryAfter * 1000, EVERY);
  return Math.min(EVERY * 2 ** failures, SLOWEST);
}

// Ends after `ms`, when `signal` aborts, or (if `wakes`) when the reader comes back to the page.
function pause(ms, signal, wakes) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      document.removeEventListener("visibilitychange", seen);
      resolve();
    };
    const seen = () => {
      if (wakes && !document.hidden) done();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    document.addEventListener("visibilitychange", seen);
  });
}

// Calls `ask` until it answers true, or `signal` aborts. `failed(problem, ms)` hears of an error and of the wait that
// follows; of null when all is well again. What no repetition cures (400, 401, 403, 404) ends it.
export async function poll(ask, signal, failed) {
  let failures = 0;
  while (!signal.aborted) {
    let wait = document.hidden ? HIDDEN : EVERY;
    try {
      if (await ask()) return;
      if (failures > 0) failed(null, 0);
      failures = 0;
    } catch (problem) {
      if (signal.aborted) return;
      const final = problem.status >= 400 && problem.status < 500 && problem.status !== 429;
      wait = final ? 0 : backoff(problem, failures++);
      failed(problem, wait);
      if (final) return;
    }
    await pause(wait, signal, failures === 0);
  }
}
