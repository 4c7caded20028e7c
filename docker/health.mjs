// For Docker's health check: whether this process is ready to be sent calls.
const { ROLE, PORT = "3000", API_PORT = "8080" } = process.env;
const answer = await fetch(`http://127.0.0.1:${ROLE === "api" ? API_PORT : PORT}/readyz`).catch(() => null);
process.exit(answer?.ok ? 0 : 1);
