import type { Template } from '../api/types';

/** The category that means all of them. */
export const ALL = 'All';

/** The categories that occur, in the order of the alphabet. */
export function categoriesOf(templates: readonly Template[]): string[] {
  return [...new Set(templates.map((template) => template.category))].sort((a, b) => a.localeCompare(b));
}

/**
 * The templates in the category that match every word of the search. Those that can be started come first; among
 * them, those whose name matches.
 */
export function filterTemplates(
  templates: readonly Template[],
  category: string,
  search: string,
): Template[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const inName = (template: Template) =>
    words.every((word) => template.displayName.toLowerCase().includes(word));
  return templates
    .filter((template) => category === ALL || template.category === category)
    .filter((template) => {
      const text = [
        template.displayName,
        template.name,
        template.description,
        template.category,
        ...template.tags,
      ]
        .join('\n')
        .toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort(
      (a, b) =>
        Number(b.installed) - Number(a.installed) ||
        Number(inName(b)) - Number(inName(a)) ||
        a.displayName.localeCompare(b.displayName),
    );
}
