import { Box } from '@mui/material';
import { useRef } from 'react';
import type { Ref } from 'react';
import { BACKSPACE, ENTER, keysymOf, textDifference } from '../../stream/keys';
import type { StreamSession } from '../../stream/session';

/** Something to erase must always be there, or the on-screen keyboard sends no Backspace. */
const FILLER = '_'.repeat(64);

/** Below and above these lengths the field is filled anew, in a pause between two inputs. */
const SHORTEST = 32;
const LONGEST = 256;

/**
 * An invisible text field that makes a touch screen show its keyboard. Keys of such keyboards carry no codes, so what
 * is sent is the difference that each input made to the text; that works for suggestions and composed characters too.
 */
export function TouchKeyboard({
  stream,
  fieldRef,
}: {
  stream: StreamSession;
  fieldRef: Ref<HTMLTextAreaElement>;
}) {
  const last = useRef(FILLER);
  return (
    <Box
      component="textarea"
      ref={fieldRef}
      aria-label="Keyboard input for the desktop"
      autoCapitalize="none"
      autoComplete="off"
      autoCorrect="off"
      spellCheck={false}
      tabIndex={-1}
      defaultValue={FILLER}
      onFocus={(event: React.FocusEvent<HTMLTextAreaElement>) => {
        last.current = refill(event.currentTarget);
      }}
      onInput={(event: React.InputEvent<HTMLTextAreaElement>) => {
        const field = event.currentTarget;
        const { erase, insert } = textDifference(last.current, field.value);
        for (let i = 0; i < erase; i++) stream.sendKey(BACKSPACE.keysym, BACKSPACE.code);
        for (const character of insert) {
          stream.sendKey(keysymOf(character), character === '\n' ? ENTER.code : '');
        }
        const composing = 'isComposing' in event.nativeEvent && event.nativeEvent.isComposing === true;
        const odd = field.value.length < SHORTEST || field.value.length > LONGEST;
        last.current = odd && !composing ? refill(field) : field.value;
      }}
      sx={{
        position: 'absolute',
        bottom: 0,
        left: 0,
        width: '1px',
        height: '1px',
        p: 0,
        border: 0,
        opacity: 0,
        resize: 'none',
        fontSize: 16,
      }}
    />
  );
}

function refill(field: HTMLTextAreaElement): string {
  field.value = FILLER;
  field.setSelectionRange(FILLER.length, FILLER.length);
  return FILLER;
}
