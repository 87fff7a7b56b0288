import axe from 'axe-core';

/** The accessibility mistakes in an element, in words; colours cannot be judged without layout. */
export async function mistakesIn(element: Element): Promise<string[]> {
  const { violations } = await axe.run(element, {
    rules: { 'color-contrast': { enabled: false }, region: { enabled: false } },
  });
  return violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.html}`));
}
