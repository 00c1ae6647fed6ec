const SPECIAL = { ß: 'ss', æ: 'ae', ø: 'o', đ: 'd', ł: 'l', œ: 'oe', þ: 'th', '&': ' and ', '@': ' at ' };

/** A title as a part of an address: `Crème & Brûlée!` becomes `creme-and-brulee`. */
export function slug(title, { longest = 80 } = {}) {
  const plain = title
    .toLowerCase()
    .replace(/[ßæøđłœþ&@]/g, (letter) => SPECIAL[letter])
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .replace(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replace(/^-|-$/g, '');
  return [...plain].slice(0, longest).join('').replace(/-$/, '');
}

/** The same, but none that is taken: a number is added until it is free. */
export function freeSlug(title, isTaken) {
  const first = slug(title) || 'untitled';
  for (let number = 1; ; number += 1) {
    const wanted = number === 1 ? first : `${first}-${number}`;
    if (!isTaken(wanted)) return wanted;
  }
}

/** Whether the shop knows a licence key as good. */
export async function isLicensed(shop, key) {
  const answer = await fetch(`${shop.replace(/\/$/, '')}/api/license/validate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ license_key: key }),
  });
  return answer.ok && (await answer.json()).valid === true;
}
