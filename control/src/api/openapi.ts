// SPDX-License-Identifier: BSD-3-Clause
/** The OpenAPI description of the admin API, made from the table that the server serves. */
import * as z from 'zod';
import { ROUTES, type Route } from './routes.js';
import * as schemas from './schemas.js';

type Json = Readonly<Record<string, unknown>>;

const NAMED: Readonly<Record<string, z.ZodType>> = {
  Error: schemas.errorSchema,
  Traffic: schemas.trafficSchema,
  Lease: schemas.leaseSchema,
  Leases: schemas.leasesSchema,
  Job: schemas.jobSchema,
  Jobs: schemas.jobsSchema,
  Usage: schemas.usageSchema,
  NewJob: schemas.newJobSchema,
  Vf: schemas.vfSchema,
  Status: schemas.statusSchema,
  Plan: schemas.planSchema,
};

let made: Json | undefined;

export function openApi(): Json {
  made ??= describe();
  return made;
}

function describe(): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of ROUTES) {
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'vfringd',
      version: '1',
      description: 'The admin API of vfringd, on the UNIX socket /run/vfring/api.sock. Who calls is told by the kernel (SO_PEERCRED).',
      license: { name: 'BSD-3-Clause', identifier: 'BSD-3-Clause' },
    },
    servers: [{ url: 'http://localhost' }],
    paths,
    components: { schemas: Object.fromEntries(Object.entries(NAMED).map(([name, schema]) => [name, plain(schema)])) },
  };
}

function operation(route: Route): Json {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const inQuery = Object.entries(route.query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: z.toJSONSchema(schema as z.ZodType, { io: 'output', unrepresentable: 'any' }),
  }));
  const parameters = [...inPath, ...inQuery].map((parameter) => ({ ...parameter, schema: withoutDraft(parameter.schema) }));
  const content = route.answer instanceof z.ZodString
    ? { 'text/plain': { schema: { type: 'string' } } }
    : { 'application/json': { schema: refer(route.answer) } };
  return {
    operationId: route.id,
    summary: route.summary,
    'x-who': route.who,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && { requestBody: { required: false, content: { 'application/json': { schema: refer(route.body) } } } }),
    responses: {
      [route.status]: { description: 'done', content },
      default: { description: 'an error', content: { 'application/json': { schema: refer(schemas.errorSchema) } } },
    },
  };
}

function refer(schema: z.ZodType): Json {
  const name = Object.keys(NAMED).find((key) => NAMED[key] === schema);
  return name === undefined ? plain(schema) : { $ref: `#/components/schemas/${name}` };
}

function plain(schema: z.ZodType): Json {
  return withoutDraft(z.toJSONSchema(schema, { io: 'input' }));
}

function withoutDraft(schema: Json): Json {
  const { $schema: _draft, ...rest } = schema;
  return rest;
}
