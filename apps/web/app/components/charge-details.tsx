/** Why a request cost what it did: units × price, summed and multiplied, as the ledger did it. */
import { useQuery } from "@tanstack/react-query";
import { useCallFault } from "../call-fault";
import { exactUsd, useFormat } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { useTRPC } from "../trpc";
import { Button } from "./ui/button";
import { FormFault } from "./ui/field";

const nano = 1_000_000_000n;

/** `units` of what costs `usdPerMillion` (nine places), in USD with all the digits that it has. */
function amountOf(units: number, usdPerMillion: string): string {
  const [whole = "0", fraction = ""] = usdPerMillion.split(".");
  const scaled = BigInt(units) * (BigInt(whole) * nano + BigInt(fraction.padEnd(9, "0")));
  const places = 15;
  const digits = scaled.toString().padStart(places + 1, "0");
  const text = `${digits.slice(0, -places)}.${digits.slice(-places)}`;
  return text.replace(/(\.\d\d\d*?)0+$/, "$1");
}

export function ChargeDetails({ requestId }: { requestId: string }) {
  const t = useTexts();
  const { count, second } = useFormat();
  const trpc = useTRPC();
  const faultOf = useCallFault();
  const { data: charge, error, refetch } = useQuery(trpc.usage.charge.queryOptions({ requestId }));
  if (error) {
    return (
      <div className="text-sm">
        <FormFault fault={faultOf(error)} />
        <Button
          look="quiet"
          className="mt-3"
          onClick={() => {
            // It never rejects: what went wrong is in `error`.
            refetch().catch(() => undefined);
          }}
        >
          {t.common.retry}
        </Button>
      </div>
    );
  }
  if (!charge) return <div className="h-56 animate-pulse rounded-lg bg-sunken" />;
  const { price_version: version } = charge;
  const tier = Number(version.tier_ppm) / 1_000_000;
  const markup = version.markup_ppm / 1_000_000;
  const priceOf = (unitClass: string) =>
    version.usd_per_million[unitClass] ??
    version.usd_per_million[unitClass.endsWith("output") ? "output" : "input"] ??
    "0";
  const units = Object.entries(charge.usage).filter((entry): entry is [string, number] => (entry[1] ?? 0) > 0);
  return (
    <>
      <p className="mb-4 text-sm text-muted tabular-nums">
        <span className="font-medium text-ink">{charge.model}</span> · {second(charge.created_at)}
      </p>
      <table className="w-full text-xs tabular-nums sm:text-sm [&_:is(th,td)+:is(th,td)]:pl-3">
        <thead className="text-left text-muted">
          <tr className="border-b border-line">
            <th className="py-2 font-medium">{t.usage.unit}</th>
            <th className="py-2 text-right font-medium">{t.usage.units}</th>
            <th className="py-2 text-right font-medium">{t.usage.price}</th>
            <th className="py-2 text-right font-medium">{t.usage.amount}</th>
          </tr>
        </thead>
        <tbody>
          {units.map(([unitClass, amount]) => (
            <tr key={unitClass} className="border-b border-line">
              <td className="py-2">{t.usage.classes[unitClass] ?? unitClass}</td>
              <td className="py-2 text-right">{count(amount)}</td>
              <td className="py-2 text-right">{exactUsd(priceOf(unitClass))}</td>
              <td className="py-2 text-right">${amountOf(amount, priceOf(unitClass))}</td>
            </tr>
          ))}
          {tier !== 1 && (
            <tr className="border-b border-line">
              <td className="py-2">
                {t.usage.tier} ({charge.service_tier})
              </td>
              <td colSpan={3} className="py-2 text-right">
                × {tier}
              </td>
            </tr>
          )}
          {markup !== 1 && (
            <tr className="border-b border-line">
              <td className="py-2">{t.usage.markup}</td>
              <td colSpan={3} className="py-2 text-right">
                × {markup}
              </td>
            </tr>
          )}
          <tr className="font-semibold">
            <td className="py-2.5">{t.usage.sum}</td>
            <td colSpan={3} className="py-2.5 text-right">
              {exactUsd(charge.cost_usd)}
            </td>
          </tr>
        </tbody>
      </table>
      <p className="mt-3 text-sm text-muted">{t.usage.bases[charge.basis as keyof typeof t.usage.bases]}</p>
      <dl className="mt-4 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-xs text-muted">
        <dt>{t.usage.columns.latency}</dt>
        <dd className="tabular-nums">{(charge.latency_ms / 1_000).toFixed(2)} s</dd>
        {charge.output_cap !== null && (
          <>
            <dt>{t.usage.outputCap}</dt>
            <dd className="tabular-nums">{charge.output_cap}</dd>
          </>
        )}
        <dt>{t.usage.requestId}</dt>
        <dd className="font-mono break-all select-all">{charge.request_id}</dd>
        <dt>{t.usage.version}</dt>
        <dd className="font-mono break-all select-all">{version.id}</dd>
      </dl>
    </>
  );
}
