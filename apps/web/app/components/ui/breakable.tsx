/** What breaks where people would break it, in a column that is too narrow for all of it. */

/** A day and an hour, of which neither is torn. */
export function BreakableTime({ of }: { of: string }) {
  const [day, hour] = of.split(/ (?=\S+$)/);
  return (
    <span>
      <span className="whitespace-nowrap">{day}</span> <span className="whitespace-nowrap">{hour}</span>
    </span>
  );
}

/** First before its host. */
export function BreakableEmail({ of }: { of: string }) {
  const [name, ...host] = of.split("@");
  return (
    <>
      {name}
      <wbr />@{host.join("@")}
    </>
  );
}
