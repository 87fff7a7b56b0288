import { describe, expect, it } from 'vitest';
import { LEVELS, levelOf, permissionsOfLevel } from './share-level';

describe('levels of sharing', () => {
  it('are read back as they were given', () => {
    for (const { name } of LEVELS) {
      expect(levelOf(permissionsOfLevel(name, ['view', 'control', 'audio', 'admin']))).toBe(name);
    }
  });

  it('give sound where the sharer has it', () => {
    expect(permissionsOfLevel('watch', ['view', 'audio'])).toEqual(['view', 'audio']);
    expect(permissionsOfLevel('watch', ['view'])).toEqual(['view']);
  });

  it('do not claim to know other mixtures', () => {
    expect(levelOf(['view', 'files'])).toBeNull();
    expect(levelOf(['control'])).toBeNull();
  });
});
