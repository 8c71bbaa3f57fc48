'use strict';

const api = '/api/v1';
const $ = (id) => document.getElementById(id);

async function get(path) {
  const answer = await fetch(api + path);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

function show(meme) {
  $('image').src = meme.image_url;
  $('image').alt = meme.captions.join(' / ');
  const link = document.createElement('a');
  link.href = `${api}/memes/${meme.id}`;
  link.textContent = 'all of it';
  $('caption').replaceChildren(
    `${meme.template_id}, score ${meme.quality_score.toFixed(2)}, ` +
    `made in ${Math.round(meme.generation_seconds * 1000)} ms: `, link);
  $('agents').replaceChildren(...meme.agents.map((agent) => {
    const item = document.createElement('li');
    item.textContent = `${agent.agent}${agent.round ? ` (round ${agent.round})` : ''}: ${agent.note ?? ''}`;
    return item;
  }));
  $('figure').hidden = $('details').hidden = false;
}

async function latest() {
  const { memes } = await get('/memes?limit=12');
  $('latest').replaceChildren(...memes.filter((meme) => meme.image_url).map((meme) => {
    const link = document.createElement('a');
    const image = document.createElement('img');
    link.href = image.src = meme.image_url;
    image.alt = meme.captions.join(' / ');
    image.loading = 'lazy';
    link.append(image);
    return link;
  }));
}

function say(text, bad) {
  $('status').textContent = text;
  $('status').className = bad ? 'bad' : '';
}

async function make(event) {
  event.preventDefault();
  const body = { topic: $('topic').value, use_trends: $('trends').checked };
  if ($('template').value) body.template_id = $('template').value;
  $('make').disabled = true;
  say('The agents are at work …');
  try {
    const answer = await fetch(`${api}/memes`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.message);
    show(result);
    say('');
    await latest();
  } catch (error) {
    say(error.message, true);
  } finally {
    $('make').disabled = false;
  }
}

async function start() {
  $('form').addEventListener('submit', make);
  const { templates } = await get('/templates');
  for (const template of templates) {
    $('template').append(new Option(template.title, template.id));
  }
  await latest();
}

start().catch((error) => say(error.message, true));
