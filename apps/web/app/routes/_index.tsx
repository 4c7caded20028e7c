/** The front page. */
export default function Index() {
  return (
    <main className="mx-auto max-w-xl px-6 py-24">
      <h1 className="text-2xl font-semibold tracking-tight">Codex Gateway</h1>
      <p className="mt-3 text-neutral-600 dark:text-neutral-400">网关正在运行。</p>
    </main>
  );
}
