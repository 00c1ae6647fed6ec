#!/usr/bin/env node
import { isLicensed, slug } from './index.js';

const [first, ...rest] = process.argv.slice(2);
if (first === '--license') {
  const [key, shop = 'http://127.0.0.1:8080'] = rest;
  const good = await isLicensed(shop, key);
  console.log(good ? 'valid' : 'not valid');
  process.exitCode = good ? 0 : 1;
} else if (first === undefined) {
  console.error('usage: slugline TITLE, or slugline --license KEY [SHOP]');
  process.exitCode = 2;
} else {
  console.log(slug([first, ...rest].join(' ')));
}
