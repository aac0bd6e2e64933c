#!/usr/bin/env node
// Copyright (c) 2026 Consent Gate contributors
// SPDX-License-Identifier: BSD-2-Clause
//
// Accept from a page of the application: see docs/apps.md.
//
//     accept.mjs http://127.0.0.1:8081/consent ACCOUNT ADDRESS [PURPOSE ...]
//
// Node 18 and later, nothing else. In an application the two functions are
// called by two requests: the one that shows what is open, and the one that
// takes the form.

class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.type = problem.type.split(':').pop();    // "changed" ...
  }
}

async function call(url, account, address, body) {
  const headers = {
    'Accept': 'application/json',
    'X-Account': account,               // who is signed in
    'X-Real-IP': address,               // the visitor's: their country
  };
  const options = { headers, signal: AbortSignal.timeout(5000) };

  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    options.method = 'POST';
    options.body = JSON.stringify(body);
  }

  const response = await fetch(url, options);
  const value = await response.json();

  if (!response.ok) {
    throw new Refused(value);
  }

  return value;
}

// Show these documents, and put the token into the form.
export async function whatIsOpen(base, account, address) {
  const state = await call(`${base}/state`, account, address);
  const shown = state.documents.filter((d) => state.missing.includes(d.name));

  return { shown, purposes: state.purposes, token: state.token };
}

// What was ticked. The same answer sent again changes nothing.
export async function accept(base, account, address, token, documents,
  purposes) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call(`${base}/accept`, account, address,
        { token, documents, purposes });
    } catch (error) {
      if (error.type !== 'unavailable' || attempt === 2) {
        throw error;
      }
      await new Promise((resolve) => { setTimeout(resolve, 1000); });
    }
  }
}

const [base, account, address, ...purposes] = process.argv.slice(2);
const { shown, token } = await whatIsOpen(base, account, address);

for (const document of shown) {
  console.log('open:', document.name, document.version);
}

try {
  const result = await accept(base, account, address, token,
    shown.map((d) => d.name), purposes);
  console.log(result.result, 'rev', result.rev);
} catch (error) {
  if (!(error instanceof Refused)) {
    throw error;
  }
  // "changed": get what is open now, and show the form again
  console.log('refused:', error.type);
  process.exitCode = 1;
}
