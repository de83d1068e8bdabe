// Users in short, as links. One element for the whole list: a search that is typed changes fifty rows at once, and as
// elements of the page's own they would take longer than the search. All text is set as text.
export default {
  props: { rows: Array, address: String },
  watch: { address(now) { history.replaceState(history.state, '', now); } },
  template: `
    <ul v-if="rows.length" class="plain">
      <li v-for="row in rows" :key="row.id">
        <a class="row-link" :href="'/users/' + row.id">
          <div class="row-head">
            <span class="title">{{ row.name }}</span>
            <div class="chips">
              <span v-for="chip in row.chips" :class="'chip tone-' + chip.tone">
                <q-icon :name="chip.icon" aria-hidden="true"></q-icon><span>{{ chip.word }}</span>
              </span>
            </div>
          </div>
          <p class="why"><span v-for="words in row.words">{{ words }}</span></p>
        </a>
      </li>
    </ul>`,
};
